"""The demo tenant: an organisation, two log-ins, a playbook and an open session."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from coach import tenancy
from coach.models import Organisation, Session, Staff
from coach.rooms.access import issue_token
from coach.rooms.joining import seat_facilitator
from consent import notices
from rag.models import Playbook

HERE = Path(__file__).parent
PLAYBOOK_FILE = HERE / "playbook.jsonl"
REHEARSAL_FILE = HERE / "rehearsal.jsonl"
PLAYBOOK = "Sidecoach demo"
FACILITATOR, ADMIN = "fay", "admin"
# Published on the landing page, and only there where DEMO=1: see `refuse_unsafe_production`.
FACILITATOR_PASSWORD = "quiet-harbour-7"
ADMIN_PASSWORD = "amber-lantern-3"
ADMIN_SECRET = hashlib.sha256(b"sidecoach demo second factor").digest()[:20].hex()
JOIN_CODE = "DEMO22"


class DemoRefused(Exception):
    """The demo has known passwords and is not loaded into a production system."""


@dataclass(frozen=True)
class Demo:
    session: Session
    facilitator: Any
    token: str | None = None

    def as_json(self) -> dict[str, Any]:
        facilitator = {"username": FACILITATOR, "password": FACILITATOR_PASSWORD}
        if self.token is not None:
            facilitator["token"] = self.token
        return {
            "session": str(self.session.id),
            "join_code": self.session.join_code,
            "facilitator": facilitator,
            "admin": {"username": ADMIN, "password": ADMIN_PASSWORD, "code": second_factor_code()},
        }


def second_factor_code() -> str:
    """The six digits that the demo administrator's app would show now."""
    code = TOTP(bytes.fromhex(ADMIN_SECRET))
    code.time = time.time()
    return f"{code.token():06d}"


def load(progress: Callable[[str], None] = lambda _: None) -> Demo:
    """Make the demo tenant exist; what is there already stays as it is. Raises DemoRefused."""
    if not settings.DEMO:
        raise DemoRefused("set DEMO=1 to load the demo; it has published passwords")
    if settings.EMBEDDED_DATABASE:
        call_command("migrate", verbosity=0)
    progress("consent purposes and notice")
    notices.seed()
    with tenancy.acting(tenancy.of([settings.DEFAULT_ORGANISATION_ID], actor="demo")):
        return _load(progress)


def _load(progress: Callable[[str], None]) -> Demo:
    with transaction.atomic():
        organisation, _ = Organisation.objects.get_or_create(
            id=settings.DEFAULT_ORGANISATION_ID,
            defaults={"slug": "demo", "name": "Demo", "contact": "privacy@demo.example"},
        )
        facilitator = _log_in(FACILITATOR, FACILITATOR_PASSWORD, "Fay")
        administrator = _log_in(ADMIN, ADMIN_PASSWORD, "Admin", is_staff=True, is_superuser=True)
        TOTPDevice.objects.get_or_create(
            user=administrator, defaults={"name": "demo", "key": ADMIN_SECRET, "confirmed": True}
        )
        for user, role in (
            (facilitator, Staff.Role.FACILITATOR),
            (administrator, Staff.Role.ADMINISTRATOR),
        ):
            Staff.objects.get_or_create(
                user=user, organisation=organisation, defaults={"role": role}
            )
    playbook = _playbook(organisation, progress)
    session = Session.objects.filter(join_code=JOIN_CODE).first()
    if session is None:
        session = Session.objects.create(
            organisation=organisation,
            facilitator=facilitator,
            playbook=playbook,
            title="Thursday check-in",
            join_code=JOIN_CODE,
            # Every turn that calls for a nudge gets one, so that there is something to see.
            cooldown_s=0,
        )
    seat_facilitator(session, facilitator)
    return Demo(session, facilitator, token=issue_token(user=facilitator))


def describe() -> dict[str, Any] | None:
    """What the landing page tells a visitor; None outside demo mode or before loading."""
    if not settings.DEMO:
        return None
    with tenancy.acting(tenancy.of([settings.DEFAULT_ORGANISATION_ID], actor="demo")):
        session = Session.objects.filter(join_code=JOIN_CODE).select_related("facilitator").first()
    return Demo(session, session.facilitator).as_json() if session is not None else None


def _log_in(username: str, password: str, first_name: str, **flags: bool) -> Any:
    user, made = get_user_model().objects.get_or_create(
        username=username, defaults={"first_name": first_name, **flags}
    )
    if made:
        user.set_password(password)
        user.save()
    return user


def _playbook(organisation: Organisation, progress: Callable[[str], None]) -> Playbook:
    from rag import ingest

    digest = hashlib.sha256(PLAYBOOK_FILE.read_bytes()).hexdigest()[:12]
    note = f"demo {digest}"
    playbook = Playbook.objects.filter(organisation_id=organisation.id, name=PLAYBOOK).first()
    if playbook is not None and playbook.live_version and playbook.live_version.note == note:
        return playbook
    progress("playbook: reading, redacting, embedding, indexing")
    report = ingest.import_file(
        PLAYBOOK_FILE, organisation_id=organisation.id, name=PLAYBOOK, publish=True, note=note
    )
    progress(f"playbook: {report.entries} entries, {report.passages} passages")
    return Playbook.objects.get(organisation_id=organisation.id, name=PLAYBOOK)
