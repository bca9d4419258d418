"""The real engines, loaded once for all tests of safety."""

import pytest

from safety.classifiers import InProcess
from safety.redaction import Redactor


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor.load()


@pytest.fixture(scope="session")
def model() -> InProcess:
    return InProcess.load()
