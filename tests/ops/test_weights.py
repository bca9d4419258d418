"""Models by digest: verified offline, fetched from a registry or a bucket, or refused."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.management import CommandError, call_command

from coach.ops import weights

BLOB = b"weights" * 1000
DIGEST = hashlib.sha256(BLOB).hexdigest()


class Registry(ThreadingHTTPServer):
    """Blobs as an OCI registry and as a bucket, for whoever brings the token."""

    daemon_threads = True
    blob = BLOB
    asked: list[str]


@pytest.fixture
def registry() -> Iterator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        server: Registry

        def do_GET(self) -> None:
            self.server.asked.append(self.path)
            known = (f"/v2/site/small/blobs/sha256:{DIGEST}", f"/bucket/{DIGEST}")
            allowed = self.headers["Authorization"] == "Bearer opens"
            self.send_response(200 if allowed and self.path in known else 404)
            self.end_headers()
            if allowed and self.path in known:
                self.wfile.write(self.server.blob)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = Registry(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def manifest(scratch):
    path = scratch / "models.toml"
    path.write_text(
        f'[[model]]\nname = "small"\nfile = "small/model.bin"\nsha256 = "{DIGEST}"\n'
        'licence = "Apache-2.0"\nsource = "of the site"\n'
    )
    return path


def test_every_model_here_is_the_one_it_should_be(capsys):
    call_command("models", "verify")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["name"] for row in rows} == {"signals", "names", "tokenizer", "embedder"}
    assert all(row["licence"] for row in rows)


def test_every_file_of_weights_is_in_the_manifest():
    shipped = {p.name for p in (weights.MANIFEST.parents[1] / "safety/weights").glob("*.onnx")}
    assert shipped <= {model.path.name for model in weights.models()}


@pytest.mark.parametrize("way", ["oci", "bucket"])
def test_a_model_is_fetched_by_its_digest_once(way, registry, manifest, scratch, monkeypatch):
    port = registry.server_address[1]
    source = {
        "oci": f"oci://127.0.0.1:{port}/site/small",
        "bucket": f"http://127.0.0.1:{port}/bucket",
    }[way]
    monkeypatch.setenv("WEIGHTS_TOKEN", "opens")
    for _ in range(2):
        call_command("models", "fetch", source, manifest=manifest, into=scratch / "into")
    assert len(registry.asked) == 1
    assert (scratch / "into/small/model.bin").read_bytes() == BLOB
    call_command("models", "verify", manifest=manifest, into=scratch / "into")


def test_what_has_another_digest_is_not_kept(registry, manifest, scratch, monkeypatch):
    registry.blob = b"something else"
    monkeypatch.setenv("WEIGHTS_TOKEN", "opens")
    source = f"http://127.0.0.1:{registry.server_address[1]}/bucket"
    with pytest.raises(CommandError, match="what came is"):
        call_command("models", "fetch", source, manifest=manifest, into=scratch / "into")
    assert list((scratch / "into").rglob("*.*")) == []


@pytest.mark.parametrize("source", ["ftp://127.0.0.1/x", "http://127.0.0.1:1/bucket"])
def test_a_source_that_is_none_or_does_not_answer_is_said(source, manifest, scratch):
    with pytest.raises(CommandError, match=r"small|source"):
        call_command("models", "fetch", source, manifest=manifest, into=scratch / "into")


def test_a_file_that_was_changed_is_named(manifest, scratch):
    (scratch / "into/small").mkdir(parents=True)
    (scratch / "into/small/model.bin").write_bytes(BLOB + b"!")
    with pytest.raises(CommandError, match=r"small: model\.bin is"):
        call_command("models", "verify", manifest=manifest, into=scratch / "into")
