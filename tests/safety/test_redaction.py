import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.errors import RedactionFailed
from safety.redaction import PLACEHOLDER, Redactor, placeholder, restore

KEY = b"k" * 32
ROSTER = ["Ada Lovelace", "Ben Okafor", "Will Chen", "Grace Hopper", "Zoë Núñez"]


def masked(redactor, text, roster=ROSTER):
    """What was taken out of a text, as (type, words) in order."""
    return [
        (e.type, text[e.start : e.end])
        for e in redactor.redact(text, key=KEY, roster=roster).entities
    ]


TAKEN = [
    pytest.param(
        "write to ada.l+x@example.org please", [("EMAIL", "ada.l+x@example.org")], id="mail"
    ),
    pytest.param(
        "it is ada dot l at example dot test",
        [("EMAIL", "ada dot l at example dot test")],
        id="said mail",
    ),
    pytest.param(
        "ada (at) example (dot) org",
        [("EMAIL", "ada (at) example (dot) org")],
        id="mail in brackets",
    ),
    pytest.param(
        "ada@\u200bexample.org",
        [("EMAIL", "ada@\u200bexample.org")],
        id="mail with a zero-width space",
    ),
    pytest.param("ada＠example．org", [("EMAIL", "ada＠example．org")], id="full-width mail"),
    pytest.param("call me on 555-0142", [("PHONE", "555-0142")], id="number kept for fiction"),
    pytest.param("+44 20 7946 0123", [("PHONE", "+44 20 7946 0123")], id="British phone"),
    pytest.param("0170 1234567 is my handy", [("PHONE", "0170 1234567")], id="German phone"),
    pytest.param("(415) 555-2671", [("PHONE", "(415) 555-2671")], id="American phone"),
    pytest.param(
        "reach me at 020 915 0000 in Dublin",
        [("PHONE", "020 915 0000"), ("PLACE", "Dublin")],
        id="Irish reserved number",
    ),
    pytest.param(
        "my number is oh seven seven double zero nine one two three four",
        [("PHONE", "oh seven seven double zero nine one two three four")],
        id="said phone",
    ),
    pytest.param("card 4111 1111 1111 1111", [("CARD", "4111 1111 1111 1111")], id="card"),
    pytest.param(
        "4111.1111_1111–1111", [("CARD", "4111.1111_1111–1111")], id="card, mixed separators"
    ),
    pytest.param(
        "4111\u00a01111\u00a01111\u00a01111",
        [("CARD", "4111\u00a01111\u00a01111\u00a01111")],
        id="card, no-break spaces",
    ),
    pytest.param(
        "DE89 3704 0044 0532 0130 00", [("IBAN", "DE89 3704 0044 0532 0130 00")], id="IBAN"
    ),
    pytest.param(
        "gb82west12345698765432", [("IBAN", "gb82west12345698765432")], id="lower-case IBAN"
    ),
    pytest.param("from 192.168.0.12 again", [("IP", "192.168.0.12")], id="IPv4"),
    pytest.param("2001:db8::8a2e:370:7334 it was", [("IP", "2001:db8::8a2e:370:7334")], id="IPv6"),
    pytest.param(
        "see https://a.example.com/p?q=1.", [("URL", "https://a.example.com/p?q=1")], id="URL"
    ),
    pytest.param("on my-site.io today", [("URL", "my-site.io")], id="bare host"),
    pytest.param(
        "born March 12th, 1984 here", [("BIRTH_DATE", "March 12th, 1984")], id="birth date"
    ),
    pytest.param(
        "geboren am 12. März 1984", [("BIRTH_DATE", "12. März 1984")], id="German birth date"
    ),
    pytest.param("DOB 12/03/84", [("BIRTH_DATE", "12/03/84")], id="short birth date"),
    pytest.param(
        "my birthday is the third of may nineteen eighty four",
        [("BIRTH_DATE", "the third of may nineteen eighty four")],
        id="said birth date",
    ),
    pytest.param("I live at 12 Elm Street", [("ADDRESS", "12 Elm Street")], id="English address"),
    pytest.param(
        "Hauptstraße 12 in Berlin",
        [("ADDRESS", "Hauptstraße 12"), ("PLACE", "Berlin")],
        id="German address",
    ),
    pytest.param("au 12 rue de la Paix", [("ADDRESS", "12 rue de la Paix")], id="French address"),
    pytest.param("postcode SW1A 1AA", [("POSTCODE", "SW1A 1AA")], id="British postcode"),
    pytest.param("ssn 078-05-1120", [("ID", "078-05-1120")], id="American social security"),
    pytest.param("nino AB 12 34 56 C", [("ID", "AB 12 34 56 C")], id="British insurance"),
    pytest.param("DNI 12345678Z", [("ID", "12345678Z")], id="Spanish identity"),
    pytest.param("cpf 529.982.247-25", [("ID", "529.982.247-25")], id="Brazilian tax"),
    pytest.param(
        "key sk-abcdefghij0123456789ABCD", [("SECRET", "sk-abcdefghij0123456789ABCD")], id="API key"
    ),
    pytest.param("my password is hunter2024", [("SECRET", "hunter2024")], id="password"),
    pytest.param("Ada and ben talked", [("NAME", "Ada"), ("NAME", "ben")], id="roster, any case"),
    pytest.param("ada lovelace's plan", [("NAME", "ada lovelace")], id="possessive"),
    pytest.param("ZOË NÚÑEZ left", [("NAME", "ZOË NÚÑEZ")], id="accents"),
    pytest.param("a\u200bda spoke", [("NAME", "a\u200bda")], id="hidden in a name"),
    pytest.param("I met Will yesterday", [("NAME", "Will")], id="a name that is a word"),
    pytest.param("thanks grace for that", [("NAME", "grace")], id="word name in lower case"),
    pytest.param("my name is Jo Park", [("NAME", "Jo Park")], id="introduced"),
    pytest.param("my colleague Priya said no", [("NAME", "Priya")], id="a colleague"),
]

LEFT = [
    pytest.param("will you come on Friday", id="will as a verb"),
    pytest.param("Will it work if we try", id="Will at the start"),
    pytest.param("she fell from grace in a week", id="grace as a word"),
    pytest.param("we met on 2024-11-21 at 10:30", id="a recent date"),
    pytest.param("ten people in three weeks, two goals", id="small numbers"),
    pytest.param("a budget of 120,000 for 2025", id="an amount"),
    pytest.param("version 3.2.1 is out", id="a version"),
    pytest.param("4111 1111 1111 1112 items", id="wrong check digit"),
    pytest.param("we tried it the 2 week way", id="counted things"),
    pytest.param("I want to start, e.g. by walking. It helps", id="abbreviations"),
    pytest.param("the password was the problem", id="a word after password"),
    pytest.param("look at me at least once", id="at as a word"),
    pytest.param("one two three let's go", id="counting"),
    pytest.param("Adaptation is hard, Bend the rules", id="names inside words"),
]


@pytest.mark.parametrize(("text", "taken"), TAKEN)
def test_personal_data_is_taken_out_exactly(redactor, text, taken):
    assert masked(redactor, text) == taken


@pytest.mark.parametrize("text", LEFT)
def test_what_is_not_personal_stays(redactor, text):
    assert redactor.redact(text, key=KEY, roster=ROSTER).text == text


def test_the_same_person_has_one_placeholder_all_session_long(redactor):
    first = redactor.redact("Ada spoke", key=KEY, roster=ROSTER)
    later = redactor.redact("then ADA LOVELACE left", key=KEY, roster=ROSTER)
    mark = placeholder("NAME", "Ada Lovelace", KEY)
    assert first.text == f"{mark} spoke"
    assert later.text == f"then {mark} left"
    assert first.pseudonyms[mark] == "Ada Lovelace"


def test_another_session_calls_the_same_person_something_else(redactor):
    texts = {
        redactor.redact("Ada spoke", key=bytes([n]) * 32, roster=ROSTER).text for n in range(5)
    }
    assert len(texts) == 5


def test_a_first_name_that_two_people_share_is_neither_of_them(redactor):
    redacted = redactor.redact("Ada spoke", key=KEY, roster=["Ada One", "Ada Two"])
    assert placeholder("NAME", "Ada One", KEY) not in redacted.text
    assert "Ada" not in redacted.text


def test_two_people_side_by_side_stay_two(redactor):
    redacted = redactor.redact("Ada Ben and so on", key=KEY, roster=ROSTER)
    assert len(PLACEHOLDER.findall(redacted.text)) == 2


def test_restoring_gives_the_words_back_and_a_typed_placeholder_stays(redactor):
    redacted = redactor.redact("mail ada@example.org, not [NAME-k7f3q]", key=KEY)
    assert restore(redacted.text, redacted.pseudonyms) == "mail ada@example.org, not [NAME-k7f3q]"
    assert "[NAME-k7f3q]" not in redacted.pseudonyms


def test_redacting_twice_changes_nothing_more(redactor):
    once = redactor.redact("Ada, ada@example.org, +44 20 7946 0123", key=KEY, roster=ROSTER).text
    assert redactor.redact(once, key=KEY, roster=ROSTER).text == once


def test_the_words_are_not_in_what_is_printed_of_a_result(redactor):
    redacted = redactor.redact("mail ada@example.org", key=KEY)
    assert "ada@example.org" not in repr(redacted)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200))
def test_offsets_and_restoring_hold_for_any_text(redactor, text):
    redacted = redactor.redact(text, key=KEY, roster=ROSTER)
    ends = [0, *(e.end for e in redacted.entities)]
    assert all(e.start >= end for e, end in zip(redacted.entities, ends, strict=False))
    kept, at = [], 0
    for entity in redacted.entities:
        kept.append(text[at : entity.start])
        at = entity.end
    kept.append(text[at:])
    assert all(part in redacted.text for part in kept)


def broken(_text):
    raise MemoryError("secret words")


def slow(_text):
    time.sleep(0.05)
    return iter(())


def test_one_failing_recogniser_fails_the_whole_without_quoting_the_text():
    redactor = Redactor.load({"EMAIL": broken})
    with pytest.raises(RedactionFailed) as failed:
        redactor.redact("secret words", key=KEY)
    assert "secret" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_recognisers_that_take_too_long_together_fail_the_whole():
    redactor = Redactor.load({f"T{n}": slow for n in range(40)})
    with pytest.raises(RedactionFailed, match="late"):
        redactor.redact("words", key=KEY)


def test_threads_share_one_redactor(redactor):
    texts = [f"mail ada{n}@example.org now" for n in range(16)]
    found = {}

    def work(text):
        found[text] = masked(redactor, text)

    threads = [threading.Thread(target=work, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {text: [("EMAIL", text.split()[1])] for text in texts}


@pytest.mark.parametrize(
    "unit", [".", "a.", "1 ", "@", "at ", "one ", "a@a.", "12 a ", "Aa1", "-", "1-"]
)
def test_no_text_of_four_thousand_characters_takes_long(redactor, unit):
    text = (unit * 4000)[:4000]
    started = time.process_time()
    redactor.redact(text, key=KEY, roster=ROSTER)
    assert time.process_time() - started < 1.0
