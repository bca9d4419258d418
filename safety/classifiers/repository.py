"""Triton's model repository for the signals model: the same file under the same names."""

import shutil
from pathlib import Path
from typing import Literal

from safety.classifiers.heads import WIDTH
from safety.classifiers.reading import load_card

Backend = Literal["onnxruntime", "python"]

CONFIG = """\
name: "signals"
backend: "{backend}"
max_batch_size: 16
input [
  {{ name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }},
  {{ name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }},
  {{ name: "token_type_ids" data_type: TYPE_INT64 dims: [ -1 ] }}
]
output [ {{ name: "scores" data_type: TYPE_FP32 dims: [ {width} ] }} ]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
version_policy: {{ latest {{ num_versions: 1 }} }}
dynamic_batching {{
  max_queue_delay_microseconds: 500
  default_queue_policy {{
    timeout_action: REJECT
    default_timeout_microseconds: 100000
    max_queue_size: 256
  }}
}}
parameters: {{ key: "version" value: {{ string_value: "{version}" }} }}
parameters: {{ key: "sha256" value: {{ string_value: "{digest}" }} }}
"""

# Triton's wheel has the Python backend alone; there ONNX Runtime runs behind it.
PYTHON_BACKEND = """\
import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        folder = os.path.join(args["model_repository"], args["model_version"])
        self.session = onnxruntime.InferenceSession(
            os.path.join(folder, "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests):
        replies = []
        for request in requests:
            given = {n: pb_utils.get_input_tensor_by_name(request, n).as_numpy() for n in INPUTS}
            scores = self.session.run(["scores"], given)[0].astype(np.float32)
            replies.append(pb_utils.InferenceResponse([pb_utils.Tensor("scores", scores)]))
        return replies
"""


def build(weights: Path, out: Path, *, backend: Backend = "onnxruntime") -> Path:
    """Write the repository below `out`, replacing what was there; returns the model's folder."""
    card = load_card(weights)
    model = out / "signals"
    shutil.rmtree(model, ignore_errors=True)
    (model / "1").mkdir(parents=True)
    shutil.copyfile(weights / "signals.onnx", model / "1" / "model.onnx")
    config = CONFIG.format(backend=backend, width=WIDTH, version=card.version, digest=card.digest)
    (model / "config.pbtxt").write_text(config, encoding="utf-8")
    if backend == "python":
        (model / "1" / "model.py").write_text(PYTHON_BACKEND, encoding="utf-8")
    return model
