import json
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coach.live.frames import Control, FrameError, Judge, Ping, Resume, Say, parse

KEY = "0b7e2f0e-35c5-4b7c-9d7c-0c4c1d8f1f55"


def said(text: str) -> str:
    return json.dumps({"type": "utterance", "client_msg_id": KEY, "text": text})


def code_of(text: str | None, data: bytes | None = None) -> str:
    with pytest.raises(FrameError) as caught:
        parse(text, data)
    return caught.value.code


def test_an_utterance_is_read_and_cleaned():
    frame = parse(said("  I am\u200b stuck\r\n"))
    assert frame == Say(uuid.UUID(KEY), "I am stuck")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", "bad_request"),
        ("[1, 2]", "bad_request"),
        ('"text"', "bad_request"),
        ("{}", "unknown_type"),
        ('{"type": 7}', "unknown_type"),
        ('{"type": "teleport"}', "unknown_type"),
        ('{"type": "ping", "n": NaN}', "bad_request"),
        ('{"type": "ping", "n": -Infinity}', "bad_request"),
        ('{"type": "ping", "type": "ping"}', "bad_request"),
        ('{"type": "ping", "n": ' + "9" * 5000 + "}", "bad_request"),
        ('{"type": "utterance"}', "bad_request"),
        ('{"type": "utterance", "client_msg_id": "seven", "text": "hi"}', "bad_request"),
        (said(""), "empty"),
        (said("\u200b\u200b"), "empty"),
        (said("nul \x00 here"), "bad_text"),
        (said("half \ud83d"), "bad_text"),
        (said("x" * 10_000), "too_long"),
        (said("x" * 1_000_000), "too_large"),
        ('{"a":' * 100_000, "too_large"),
        ('{"a":' * 5_000, "bad_request"),
        ('{"type": "resume", "epoch": "' + KEY + '", "last_seq": -1}', "bad_request"),
        ('{"type": "feedback", "nudge": "' + KEY + '", "verdict": "loved"}', "bad_request"),
        ('{"type": "control", "action": "mode", "mode": "wild"}', "bad_request"),
        ('{"type": "control", "action": "send"}', "bad_request"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_code(text, code):
    assert code_of(text) == code


def test_binary_frames_are_refused():
    assert code_of(None, b"\x00\x01") == "bad_request"


def test_a_refusal_names_the_message_it_is_about():
    with pytest.raises(FrameError) as caught:
        parse(said("x" * 10_000))
    assert caught.value.client_msg_id == uuid.UUID(KEY)


def test_brackets_in_speech_are_not_nesting():
    assert isinstance(parse(said("[[[[[[[[[[ what ]]]]")), Say)


def test_the_length_counts_what_is_left_after_cleaning():
    assert isinstance(parse(said("a" + "\u200b" * 5000)), Say)


def test_the_other_frames_are_read():
    assert parse('{"type": "ping"}') == Ping()
    assert parse(json.dumps({"type": "resume", "epoch": KEY, "last_seq": 3})) == Resume(
        uuid.UUID(KEY), 3
    )
    judged = parse(json.dumps({"type": "feedback", "nudge": KEY, "verdict": "accepted"}))
    assert judged == Judge(uuid.UUID(KEY), "accepted")
    assert parse('{"type": "control", "action": "kill"}') == Control("kill")


@given(st.text())
def test_no_text_raises_anything_but_a_frame_error(text):
    try:
        parse(text)
    except FrameError:
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(
    st.sampled_from(
        ["resume", "utterance", "draft", "cancel", "feedback", "control", "ping", "x"]
    ),
    st.dictionaries(
        st.sampled_from(
            ["client_msg_id", "text", "epoch", "last_seq", "nudge", "verdict", "action", "mode",
             "member", "passage"]
        ),
        json_values | st.just(KEY),
    ),
)  # fmt: skip
def test_no_fields_raise_anything_but_a_frame_error(kind, fields):
    try:
        parse(json.dumps({"type": kind, **fields}))
    except FrameError:
        pass


def test_the_worst_frame_costs_little():
    worst = '{"type": "utterance", "text": "' + '\\"[' * 10_000 + '"}'
    began = time.perf_counter()
    with pytest.raises(FrameError):
        parse(worst)
    assert time.perf_counter() - began < 0.25
