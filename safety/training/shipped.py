"""The weights of an exported file, as near as quantising left them: where a further sitting starts.

The full-precision weights of a run are too large to keep in the repository.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

_QUANTISED, _SCALE, _ZERO = "_quantized", "_scale", "_zero_point"
_MATMUL = "MatMulInteger"
_EMBEDDINGS = "encoder.embeddings."


def state_of(path: Path) -> dict[str, Tensor]:
    """The state of the `SignalsModel` that was exported to a file, its integers made numbers.

    Raises ValueError when the file was not quantised as `export` does it.
    """
    graph = onnx.load(str(path)).graph
    arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    state = {
        name: array
        for name, array in arrays.items()
        if not name.startswith("onnx::") and not name.endswith((_QUANTISED, _SCALE, _ZERO))
    }
    for name in arrays:
        if name.startswith(_EMBEDDINGS) and name.endswith(_QUANTISED):
            stem = name.removesuffix(_QUANTISED)
            state[stem] = _numbers(arrays, stem)
    for node in graph.node:
        if node.op_type == _MATMUL:
            stem = node.input[1].removesuffix(_QUANTISED)
            state[f"{_module(node.name)}.weight"] = _numbers(arrays, stem).T
    if not any(node.op_type == _MATMUL for node in graph.node):
        raise ValueError(f"{path.name} is not a quantised export")
    return {name: torch.from_numpy(np.array(array)) for name, array in state.items()}


def _module(node: str) -> str:
    """Whose weights a node multiplies by, from a name like "/encoder/layer.0/output/dense/MatMul"
    or "/toxicity/toxicity.4/Gemm", as the tracer calls a head's layers."""
    parts = node.split("/")[1:-1]
    return ".".join(parts) if parts[0] == "encoder" else f"heads.{parts[-1]}"


def _numbers(arrays: Mapping[str, npt.NDArray[Any]], stem: str) -> npt.NDArray[np.float32]:
    whole = arrays[stem + _QUANTISED].astype(np.float32) - arrays[stem + _ZERO].astype(np.float32)
    numbers: npt.NDArray[np.float32] = whole * arrays[stem + _SCALE]
    return numbers
