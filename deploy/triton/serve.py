"""Serve the signals model by the tritonserver of its wheel: `make triton`.

The wheel lives in an environment of its own; its Python backend needs the libpython of the Python
that runs here, and a stub of the same version beside it.
"""

import argparse
import os
import shutil
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "safety" / "weights"


def main() -> None:
    """Write the model repository below `--work` and become the server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, default=ROOT / ".engines" / "triton")
    parser.add_argument("--work", type=Path, default=ROOT / ".data" / "triton")
    parser.add_argument("--grpc-port", type=int, default=8701)
    parser.add_argument("--http-port", type=int, default=8700)
    parser.add_argument("--metrics-port", type=int, default=8702)
    asked = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    from safety.classifiers.repository import build

    packages = next(asked.environment.glob("lib/python*/site-packages"))
    home = packages / "pytriton" / "tritonserver"
    repository, backends = asked.work / "models", asked.work / "backends"
    build(WEIGHTS, repository, backend="python")
    shutil.copytree(home / "backends", backends, dirs_exist_ok=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = home / "python_backend_stubs" / version / "triton_python_backend_stub"
    shutil.copy(stub, backends / "python")

    environment = {
        "PATH": f"{asked.environment / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": str(packages),
        "LD_LIBRARY_PATH": f"{library_path()}:{packages / 'nvidia_pytriton.libs'}",
    }
    command = [
        str(home / "bin" / "tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        *(f"--{kind}-address=127.0.0.1" for kind in ("grpc", "http", "metrics")),
        f"--grpc-port={asked.grpc_port}",
        f"--http-port={asked.http_port}",
        f"--metrics-port={asked.metrics_port}",
        "--disable-auto-complete-config",
    ]
    print(f"TRITON_URL=127.0.0.1:{asked.grpc_port}", file=sys.stderr, flush=True)
    os.execve(command[0], command, environment)  # noqa: S606  our own command


def library_path() -> str:
    """Where this Python's libpython is; the system may hold an older one of the same name."""
    return str(sysconfig.get_config_var("LIBDIR"))


if __name__ == "__main__":
    main()
