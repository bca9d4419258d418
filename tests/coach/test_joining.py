"""A room that fills at once: everybody gets a seat of their own, and a facilitator one."""

import asyncio
from contextlib import AsyncExitStack

from coach.models import Member, Session
from tests.people import EVERYTHING

PEOPLE = 30


async def test_everybody_who_scans_the_code_at_once_gets_a_seat(room):
    tickets = await asyncio.gather(*(room.ticket(f"Member {n}", EVERYTHING) for n in range(PEOPLE)))
    seated = Member.objects.filter(session=room.session, role=Member.Role.PARTICIPANT)
    assert {str(member.id) for member in seated} == {ticket.member for ticket in tickets}
    numbers = sorted(member.number for member in seated)
    assert numbers == list(range(numbers[0], numbers[0] + PEOPLE))
    assert Session.objects.get(id=room.session).roster_version >= PEOPLE


async def test_a_facilitator_with_many_windows_has_one_seat(room):
    consoles = [room.console() for _ in range(6)]
    async with AsyncExitStack() as stack:
        for console in consoles:
            stack.push_async_callback(console.close)
        await asyncio.gather(*(console.open(as_role="facilitator") for console in consoles))
    seats = Member.objects.filter(session=room.session, role=Member.Role.FACILITATOR)
    assert seats.count() == 1
