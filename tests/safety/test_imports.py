import subprocess
import sys

import pytest

HEAVY = "torch spacy transformers sentence_transformers presidio_analyzer onnxruntime"


@pytest.mark.parametrize(
    "module", ["safety.classifiers", "safety.redaction", "safety.gate", "safety.guardrails"]
)
def test_importing_safety_loads_no_heavy_library(module):
    code = f"import sys, {module}; print([n for n in {HEAVY!r}.split() if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
