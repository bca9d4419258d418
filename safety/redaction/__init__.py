"""Redaction: personal data out, stable placeholders in, before any text travels."""

from safety.redaction.engine import Entity, Redacted, Redactor
from safety.redaction.lexicon import Lexicon
from safety.redaction.pseudonyms import PLACEHOLDER, placeholder, restore

__all__ = ["PLACEHOLDER", "Entity", "Lexicon", "Redacted", "Redactor", "placeholder", "restore"]
