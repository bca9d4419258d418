"""A nudge proposed from outside: masked, gated, grounded, and due, or not shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from coach.errors import Refused
from coach.live.deadline import Deadline
from coach.live.hub import Hub
from coach.live.room import Room
from coach.models import Member, Nudge
from coach.nudges.giving import Card, give, not_due, standing_of
from coach.nudges.judges import toxicity_judge
from coach.nudges.outcome import Citation
from coach.nudges.prompt import system_lines
from rag.errors import RetrievalError, Ungrounded
from rag.grounding import Grounding
from rag.retrieval import Filters, Passage
from safety import gate
from safety.errors import RedactionFailed

LOOK_S = 1.0
WITHIN_MS = 3000
PASSAGES = 5

PASSAGE = """
SELECT p.id, p.title, p.text, v.number FROM rag_passage p
JOIN rag_playbookversion v ON v.id = p.version_id
JOIN coach_session s ON s.playbook_id = v.playbook_id
WHERE p.id = %s AND s.id = %s
"""


@dataclass(frozen=True)
class Suggestion:
    """A text, a passage of the session's playbook, or both; without `member` for everyone."""

    session: UUID
    member: UUID | None
    text: str = field(repr=False)
    passage: UUID | None
    engine: str


async def suggest(hub: Hub, suggestion: Suggestion) -> list[dict[str, Any]]:
    """What became of it for each member. Raises Refused for what nobody may be shown.

    Beside `not_found` and `gate` that is Overloaded; and DatabaseError.
    """
    hub.admission.admit()
    room = await hub.room(suggestion.session, fresh=True)
    if room is None or room.status != "open":
        raise Refused("not_found", "There is no such open session.")
    people = [s.member for s in room.seats if s.role == Member.Role.PARTICIPANT]
    receivers = [m for m in people if suggestion.member in (None, m)]
    if not receivers:
        raise Refused("not_found", "There is nobody to suggest it to.")
    text, citations = await _worded(hub, room, suggestion)
    card = Card(
        text,
        citations,
        source=Nudge.Source.OUTSIDE.value,
        reason="" if citations else "unsourced",
        # What rests on nothing we know is for a person to judge.
        held=room.mode != "auto" or not citations,
        trace={"engine": suggestion.engine},
    )
    return [await _offer(hub, room, member, card) for member in receivers]


async def _offer(hub: Hub, room: Room, member: UUID, card: Card) -> dict[str, Any]:
    standing = await standing_of(hub, room.session, member)
    reason = await not_due(hub, member, standing)
    if reason is None and standing is not None and card.text in standing.recent_nudges:
        reason = "repeated"
    if reason is not None:
        return {"member": str(member), "result": "refused", "reason": reason, "nudge": None}
    nudge = await give(hub, room, member, card)
    result = "held" if card.held else "shown"
    return {"member": str(member), "result": result, "reason": card.reason, "nudge": str(nudge)}


async def _worded(hub: Hub, room: Room, suggestion: Suggestion) -> tuple[str, tuple[Citation, ...]]:
    """The text as it may be shown, and what it rests on: nothing, where it is not grounded."""
    passages: tuple[Passage | _Known, ...] = ()
    if suggestion.passage is not None:
        passages = (await _passage(hub, suggestion.passage, suggestion.session),)
    text = suggestion.text or passages[0].text
    try:
        masked = (await hub.engines.redact(text, room, Deadline.after_ms(WITHIN_MS))).text
    except RedactionFailed:
        raise Refused("gate", "This text could not be masked safely.") from None
    if masked != text and suggestion.text:
        # A name or number in a text from outside is not given back to anybody by us.
        raise Refused("gate", "This text may not be shown: personal_data.")
    if not passages:
        passages = await _search(hub, room, text)
    await _check(hub, room, text, passages)
    return text, await _sources(hub, text, passages)


async def _check(hub: Hub, room: Room, text: str, passages: Sequence["Passage | _Known"]) -> None:
    protected = gate.Protected(
        names=room.names,
        canaries=(hub.engines.canary(room.organisation_id),),
        prompt_lines=system_lines(),
    )
    reason = gate.check(text, passages=[p.text for p in passages], protected=protected)
    reason = reason or await toxicity_judge(hub.engines.classifiers)(text)
    if reason is not None:
        raise Refused("gate", f"This text may not be shown: {reason}.")


@dataclass(frozen=True)
class _Known:
    """A passage that was named by its id."""

    id: UUID
    title: str
    text: str = field(repr=False)
    version: int


async def _passage(hub: Hub, passage: UUID, session: UUID) -> _Known:
    rows = await hub.engines.database.fetch(PASSAGE, [passage, session], timeout_s=LOOK_S)
    if not rows:
        raise Refused("not_found", "There is no such passage in this playbook.")
    return _Known(*rows[0])


async def _search(hub: Hub, room: Room, text: str) -> tuple[Passage, ...]:
    if room.playbook_id is None:
        return ()
    try:
        pool = await hub.engines.retrieval.pool(
            text,
            organisation_id=room.organisation_id,
            playbook_id=room.playbook_id,
            limit=PASSAGES,
            filters=Filters(role="participant"),
            timeout_s=LOOK_S,
        )
    except RetrievalError:
        return ()
    return pool.best(PASSAGES).passages


async def _sources(
    hub: Hub, text: str, passages: Sequence["Passage | _Known"]
) -> tuple[Citation, ...]:
    async def whole() -> Any:
        yield text

    grounding = Grounding(passages, hub.engines.retrieval.encoder)
    try:
        async for _ in grounding.release(whole()):
            pass
    except Ungrounded:
        return ()
    return tuple(
        Citation(passages[place].id, passages[place].title, passages[place].version, quote)
        for place, quote in grounding.cited()
    )
