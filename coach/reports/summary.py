"""What a session looked like afterwards, in numbers that need no words."""

from typing import Any
from uuid import UUID

from django.db import connection

from coach.models import Session

TALK = """
SELECT m.number, count(*), coalesce(sum(u.characters), 0),
       count(*) FILTER (WHERE u.act = 'open_question'),
       count(*) FILTER (WHERE u.act IN ('open_question', 'closed_question'))
FROM coach_utterance u JOIN coach_member m ON m.id = u.member_id
WHERE u.session_id = %s GROUP BY m.number ORDER BY m.number
"""

NUDGES = """
SELECT n.source, count(*), count(*) FILTER (WHERE v.verdict IN ('accepted', 'edited')),
       count(*) FILTER (WHERE v.verdict IN ('dismissed', 'not_relevant', 'unsafe')),
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY n.first_ms)
FROM coach_nudge n LEFT JOIN LATERAL (
    SELECT verdict FROM coach_feedback f WHERE f.nudge_id = n.id ORDER BY f.at DESC LIMIT 1
) v ON true
WHERE n.session_id = %s AND n.state = 'shown' GROUP BY n.source ORDER BY n.source
"""

OUTCOMES = """
SELECT coalesce(outcome, 'open'), reason, count(*) FROM coach_utterance
WHERE session_id = %s GROUP BY 1, 2 ORDER BY 3 DESC
"""


def summarise(session_id: UUID) -> dict[str, Any]:
    """Talk balance, questions, nudges with acceptance and times, outcomes with reasons."""
    session = Session.objects.get(id=session_id)
    with connection.cursor() as cursor:
        cursor.execute(TALK, [session_id])
        talk = cursor.fetchall()
        cursor.execute(NUDGES, [session_id])
        nudges = cursor.fetchall()
        cursor.execute(OUTCOMES, [session_id])
        outcomes = cursor.fetchall()
    spoken = sum(row[2] for row in talk) or 1
    return {
        "session": str(session_id),
        "title": session.title,
        "started_at": session.created_at,
        "ended_at": session.ended_at,
        "talk": [
            {
                "member": f"Participant {number}",
                "number": number,
                "turns": turns,
                "share": round(characters / spoken, 3),
                "open_questions": open_questions,
                "questions": questions,
            }
            for number, turns, characters, open_questions, questions in talk
        ],
        "nudges": [
            {
                "source": source,
                "shown": shown,
                "accepted": accepted,
                "rejected": rejected,
                "first_ms": {"p50": times[0], "p95": times[1]} if times else None,
            }
            for source, shown, accepted, rejected, times in nudges
        ],
        "outcomes": [
            {"outcome": outcome, "reason": reason, "count": count}
            for outcome, reason, count in outcomes
        ],
    }
