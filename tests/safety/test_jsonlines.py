import io
import sys

import pytest

from safety.jsonlines import BadLine, dump, read


def rows_of(tmp_path, content, **kinds):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    return list(read(path, {"id": object, "text": str}, **kinds))


def test_rows_come_in_order_and_empty_lines_are_skipped(tmp_path):
    found = rows_of(tmp_path, b'\xef\xbb\xbf{"id": 1, "text": "a"}\n\n{"id": "x", "text": "b"}\n')
    assert [row["id"] for row in found] == [1, "x"]


def test_standard_input_is_read_when_no_file_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"id": 1, "text": "a"}\n')))
    assert list(read(None, {"text": str})) == [{"id": 1, "text": "a"}]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        pytest.param(b"secret", "not JSON", id="no JSON"),
        pytest.param(b'"secret"', "not a JSON object", id="no object"),
        pytest.param(b'{"id": 1}', "no 'text'", id="a key missing"),
        pytest.param(b'{"id": 1, "text": 5}', "'text' is not of type text", id="another type"),
        pytest.param(b'{"id": 1, "text": "\xff secret"}', "not UTF-8", id="no UTF-8"),
        pytest.param(b"[" * 100_000, "not JSON", id="too deep"),
    ],
)
def test_a_bad_line_is_named_by_number_and_not_quoted(tmp_path, line, fault):
    with pytest.raises(BadLine) as bad:
        rows_of(tmp_path, b'{"id": 1, "text": "fine"}\n' + line)
    assert str(bad.value) == f"line 2: {fault}"


def test_an_optional_key_may_be_absent_or_null_but_not_of_another_type(tmp_path):
    kinds = {"optional": {"previous": str}}
    assert rows_of(tmp_path, b'{"id": 1, "text": "a", "previous": null}', **kinds)
    with pytest.raises(BadLine):
        rows_of(tmp_path, b'{"id": 1, "text": "a", "previous": 3}', **kinds)


def test_a_row_is_printed_on_one_line_in_its_own_script():
    assert dump({"text": "zwei\nZeilen – ü"}) == '{"text": "zwei\\nZeilen – ü"}'
