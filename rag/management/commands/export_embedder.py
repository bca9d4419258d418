"""Make the ONNX file that embeds passages and queries."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from rag import export
from rag.embedding import Manifest
from rag.errors import RetrievalError


class Command(BaseCommand):
    help = "Export the embedding model to DATA_DIR, unless it is there already."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--model",
            type=Path,
            default=Path(settings.EMBEDDING_MODEL) if settings.EMBEDDING_MODEL else None,
            help="folder of a sentence-transformers model; default: EMBEDDING_MODEL",
        )

    def handle(self, *args: Any, model: Path | None, **options: Any) -> None:
        try:
            folder = export.ensure(settings.DATA_DIR, model)
            manifest = Manifest.read(folder)
        except RetrievalError as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(
            f"{manifest.model}: {manifest.dimension} dimensions, cosine to the original "
            f"{manifest.cosine_mean:.4f} on average, {manifest.cosine_min:.4f} at worst; {folder}"
        )
