"""The purposes and fields Sidecoach is built for, and which field may ever serve which purpose.

Administrators may add to them; what is not registered is denied.
"""

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    COACHING = "coaching"
    FACILITATOR_VIEW = "facilitator_view"
    EMOTION_SIGNALS = "emotion_signals"
    REFLECTION = "reflection"
    QUALITY = "quality"


class Field(StrEnum):
    UTTERANCE = "utterance"
    RECENT_TURNS = "recent_turns"
    DISPLAY_NAME = "display_name"
    ROLE = "role"
    GOAL = "goal"
    PROFILE_NOTE = "profile_note"
    EMOTION = "emotion"


@dataclass(frozen=True)
class PurposeSeed:
    key: Purpose
    title: str
    why: str
    retention_days: int
    fields: tuple[Field, ...]
    legal_basis: str = "consent"


@dataclass(frozen=True)
class FieldSeed:
    key: Field
    title: str
    why: str
    special: bool = False


FIELDS = (
    FieldSeed(Field.UTTERANCE, "What I say", "The words you speak or type in this session."),
    FieldSeed(Field.RECENT_TURNS, "My last few turns", "A handful of turns before, as context."),
    FieldSeed(Field.DISPLAY_NAME, "My name", "The name you joined with."),
    FieldSeed(Field.ROLE, "My role", "Whether you take part or facilitate."),
    FieldSeed(Field.GOAL, "My goal", "What you wrote about what you want from this session."),
    FieldSeed(
        Field.PROFILE_NOTE,
        "My note about myself",
        "What you wrote about yourself. It may say something about your health or beliefs.",
        special=True,
    ),
    FieldSeed(
        Field.EMOTION,
        "The feeling in my words",
        "A guess, from the text alone, at the feeling behind it.",
        special=True,
    ),
)

PURPOSES = (
    PurposeSeed(
        Purpose.COACHING,
        "Give me nudges",
        "A short prompt from the playbook when it may help. Names and numbers are masked first.",
        30,
        (
            Field.UTTERANCE,
            Field.RECENT_TURNS,
            Field.DISPLAY_NAME,
            Field.ROLE,
            Field.GOAL,
            Field.PROFILE_NOTE,
        ),
    ),
    PurposeSeed(
        Purpose.FACILITATOR_VIEW,
        "Let the facilitator see",
        "Your facilitator sees this live, to help you in the room.",
        30,
        (Field.UTTERANCE, Field.DISPLAY_NAME, Field.GOAL),
    ),
    PurposeSeed(
        Purpose.EMOTION_SIGNALS,
        "Notice how I feel",
        "Lets a nudge fit your mood. Read from text alone, never shown to anyone else.",
        1,
        (Field.EMOTION,),
        legal_basis="explicit_consent",
    ),
    PurposeSeed(
        Purpose.REFLECTION,
        "Write me a reflection",
        "After the session, a summary of what you said, for you.",
        30,
        (Field.UTTERANCE, Field.GOAL, Field.DISPLAY_NAME),
    ),
    PurposeSeed(
        Purpose.QUALITY,
        "Help improve the nudges",
        "Whether nudges fitted, with your masked words, is kept for checking quality.",
        90,
        (Field.UTTERANCE,),
    ),
)

NOTICE_TITLE = "What may be used in this session"
NOTICE_TEXT = (
    "You decide, purpose by purpose and field by field. Nothing is chosen for you. "
    "Whatever you leave out stays out, and you can still take part. "
    "You can change your mind at any time, in one tap, and see everything that was shared. "
    "One thing does not depend on your choices: if your words sound as if you or someone else may "
    "be in danger, you get a card with help, and your facilitator is told that you may need them, "
    "without your words."
)
