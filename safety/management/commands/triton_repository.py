"""Write the model repository that Triton serves."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from safety.classifiers.in_process import WEIGHTS
from safety.classifiers.repository import build


class Command(BaseCommand):
    help = "Write Triton's model repository for the signals model below OUT."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("out", type=Path)
        parser.add_argument(
            "--backend",
            choices=["onnxruntime", "python"],
            default="onnxruntime",
            help="python: for a Triton without the ONNX Runtime backend, as in its wheel",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(str(build(WEIGHTS, options["out"], backend=options["backend"])))
