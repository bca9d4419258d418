"""The shapes of the REST interface."""

from typing import Any
from unicodedata import category

from rest_framework import serializers

from coach.live.frames import (
    ACTIONS,
    LONGEST_SNOOZE_MINUTES,
    MAX_TEXT,
    MODES,
    MOST_PHASE,
    VERBOSITIES,
    VERDICTS,
)
from coach.models import Session
from safety.text import clean


class SpeechField(serializers.CharField):
    """Text people wrote: cleaned before its length is counted, no NUL and no half character."""

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, str) and any(c == "\0" or category(c) == "Cs" for c in data):
            raise serializers.ValidationError("This holds NUL or half a character.")
        return clean(super().to_internal_value(data)).strip()


class ChoiceIn(serializers.Serializer[Any]):
    purpose = serializers.SlugField()
    fields = serializers.ListField(child=serializers.SlugField(), max_length=32)  # type: ignore[assignment]


class GrantIn(ChoiceIn):
    notice = serializers.IntegerField(required=False, allow_null=True, default=None)


class JoinIn(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=12)
    display_name = SpeechField(max_length=60)
    goal = SpeechField(max_length=500, required=False, allow_blank=True, default="")
    profile_note = SpeechField(max_length=1000, required=False, allow_blank=True, default="")
    consent = ChoiceIn(many=True, required=False, default=list)
    notice = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        help_text="The id of the notice that was read",
    )


class SessionIn(serializers.Serializer[Any]):
    title = SpeechField(max_length=120)
    playbook = serializers.UUIDField(required=False, allow_null=True, default=None)
    mode = serializers.ChoiceField(choices=MODES, required=False, default="auto")
    cooldown_s = serializers.IntegerField(min_value=0, max_value=3600, required=False, default=10)


class SessionOut(serializers.ModelSerializer[Session]):
    class Meta:
        model = Session
        fields = [
            "id", "title", "join_code", "mode", "status", "killed", "cooldown_s", "phase",
            "created_at", "ended_at",
        ]  # fmt: skip


class ControlIn(serializers.Serializer[Any]):
    action = serializers.ChoiceField(choices=ACTIONS)
    member = serializers.UUIDField(required=False, allow_null=True)
    nudge = serializers.UUIDField(required=False, allow_null=True)
    passage = serializers.UUIDField(required=False, allow_null=True)
    mode = serializers.ChoiceField(choices=MODES, required=False)
    text = SpeechField(max_length=MAX_TEXT, required=False, allow_blank=True)
    phase = SpeechField(max_length=MOST_PHASE, required=False, allow_blank=True)


class SayIn(serializers.Serializer[Any]):
    client_msg_id = serializers.UUIDField()
    text = SpeechField(max_length=MAX_TEXT)


class WishesIn(serializers.Serializer[Any]):
    verbosity = serializers.ChoiceField(choices=VERBOSITIES, required=False, allow_null=True)
    snooze_minutes = serializers.IntegerField(
        min_value=0, max_value=LONGEST_SNOOZE_MINUTES, required=False, allow_null=True
    )


class FeedbackIn(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=VERDICTS)
    text = SpeechField(max_length=MAX_TEXT, required=False, allow_blank=True)


class SuggestionIn(serializers.Serializer[Any]):
    session = serializers.UUIDField()
    member = serializers.UUIDField(required=False, allow_null=True)
    text = SpeechField(max_length=MAX_TEXT, required=False, allow_blank=True)
    passage = serializers.UUIDField(required=False, allow_null=True)
    engine = serializers.SlugField(max_length=40, required=False, default="outside")


class WithdrawIn(serializers.Serializer[Any]):
    purpose = serializers.SlugField()
    fields = serializers.ListField(  # type: ignore[assignment]
        child=serializers.SlugField(), required=False, allow_null=True, default=None
    )


class CorrectIn(serializers.Serializer[Any]):
    display_name = SpeechField(max_length=60, required=False)
    goal = SpeechField(max_length=500, required=False, allow_blank=True)
    profile_note = SpeechField(max_length=1000, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        if not attrs:
            raise serializers.ValidationError("Say what to put right.")
        return attrs


class EraseIn(serializers.Serializer[Any]):
    confirm = serializers.BooleanField()

    def validate_confirm(self, value: bool) -> bool:
        if not value:
            raise serializers.ValidationError("Erasing needs `confirm: true`.")
        return value
