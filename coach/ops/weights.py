"""Models by digest: which ones there are, whether they are the right ones, and how more come."""

import hashlib
import json
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings

MANIFEST = settings.BASE_DIR / "deploy" / "models.toml"
CHUNK = 1024 * 1024
FETCH_S = 60.0


class WeightsError(Exception):
    """A model is missing, is another one than it should be, or could not be fetched."""


@dataclass(frozen=True)
class Model:
    """One file of weights, where it belongs, and what it may be used for."""

    name: str
    path: Path
    sha256: str
    licence: str
    source: str

    def check(self) -> None:
        """Raises WeightsError unless the file is there and is this one."""
        if not self.path.is_file():
            raise WeightsError(f"{self.name}: {self.path.name} is not there")
        with self.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise WeightsError(f"{self.name}: {self.path.name} is {found[:12]}, not this model")


def models(manifest: Path = MANIFEST, *, into: Path | None = None) -> list[Model]:
    """The manifest's models; `into` is where files lie that come with no card or package.

    Raises WeightsError for a manifest that does not fit.
    """
    try:
        with manifest.open("rb") as file:
            entries = tomllib.load(file)["model"]
        return [_model(entry, into or settings.DATA_DIR / "weights") for entry in entries]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as exc:
        raise WeightsError(f"{manifest.name}: {type(exc).__name__} {exc}") from exc


def fetch(model: Model, source: str, *, token: str = "") -> bool:
    """Fetch a model that is not there yet, by its digest; False where it is there already.

    `source` is an OCI repository, as `oci://registry/name`, or the https address of a folder, S3's
    or MinIO's for instance, in which files are named by their digests. What arrives with another
    digest is not kept. Raises WeightsError.
    """
    if model.path.is_file():
        model.check()
        return False
    request = urllib.request.Request(_address(source, model.sha256))  # noqa: S310  checked below
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    model.path.parent.mkdir(parents=True, exist_ok=True)
    part = model.path.with_name(model.path.name + ".part")
    digest = hashlib.sha256()
    try:
        with (
            urllib.request.urlopen(request, timeout=FETCH_S) as answer,  # noqa: S310
            part.open("wb") as file,
        ):
            while block := answer.read(CHUNK):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != model.sha256:
            raise WeightsError(f"{model.name}: what came is {digest.hexdigest()[:12]}")
        part.replace(model.path)
    except (urllib.error.URLError, OSError) as exc:
        raise WeightsError(f"{model.name}: {type(exc).__name__}") from exc
    finally:
        part.unlink(missing_ok=True)
    return True


def _address(source: str, sha256: str) -> str:
    if source.startswith("oci://"):
        registry, _, name = source.removeprefix("oci://").partition("/")
        scheme = "http" if registry.startswith(("localhost", "127.0.0.1")) else "https"
        return f"{scheme}://{registry}/v2/{name}/blobs/sha256:{sha256}"
    if not source.startswith(("https://", "http://")):
        raise WeightsError("a source is oci://registry/name or an http(s) address")
    return f"{source.rstrip('/')}/{sha256}"


def _model(entry: Mapping[str, Any], into: Path) -> Model:
    digest, path = entry.get("sha256", ""), into / entry["file"]
    if "card" in entry:
        card = settings.BASE_DIR / entry["card"]
        path = card.with_name(entry["file"])
        digest = json.loads(card.read_text(encoding="utf-8"))["sha256"][entry["file"]]
    elif "package" in entry:
        path = _inside(entry["package"]) / entry["folder"] / entry["file"]
    return Model(entry["name"], path, digest, entry["licence"], entry["source"])


def _inside(package: str) -> Path:
    spec = find_spec(package)
    places: Sequence[str] = (spec.submodule_search_locations or ()) if spec else ()
    if not places:
        raise WeightsError(f"the package {package} is not installed")
    return Path(places[0])
