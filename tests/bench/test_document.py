"""What a bench writes: tables and plots in the place that the document marks for it."""

from datetime import UTC, datetime

import pytest

from coach.bench.document import DOCUMENT, Machine, NoBlock, write
from coach.bench.report import Report, Table, plain
from coach.management.commands.bench import LONG, NAMES
from coach.ops.plots import Chart, Series, spark

MACHINE = Machine(datetime(2026, 1, 2, 3, 4, tzinfo=UTC), 2, 24.0, 0.1)


@pytest.fixture
def page(scratch):
    path = scratch / "page.md"
    path.write_text(
        "before\n\n<!-- made by bench one -->\nold\n<!-- end of bench one -->\n\nafter\n",
        encoding="utf-8",
    )
    return path


def test_a_block_is_replaced_and_nothing_around_it(page):
    for value in (1, 2):
        write("one", plain([{"what": "x", "n": value}]), MACHINE, document=page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(
        "before\n\n<!-- made by bench one -->\n*`manage.py bench one`: 2 January"
    )
    assert text.endswith("| x | 2 |\n<!-- end of bench one -->\n\nafter\n")
    assert "old" not in text


def test_a_bench_without_a_place_writes_nothing(page):
    before = page.read_bytes()
    with pytest.raises(NoBlock):
        write("two", plain([]), MACHINE, document=page)
    assert page.read_bytes() == before


def test_plots_lie_beside_the_document(page):
    chart = Chart("T", "x", "y", (Series("s", [(0.0, 1.0), (2.0, 3.0)]),))
    report = Report((Table([{"n": 1}]),), plots={"a-plot.svg": chart.svg()})
    write("one", report, MACHINE, document=page)
    assert "![a plot](plots/a-plot.svg)" in page.read_text(encoding="utf-8")
    assert (page.parent / "plots" / "a-plot.svg").read_text(encoding="utf-8") == chart.svg()


def test_every_bench_has_its_place():
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in (*NAMES, *LONG):
        assert text.count(f"<!-- made by bench {name} -->") == 1, name
        assert text.count(f"<!-- end of bench {name} -->") == 1, name


def test_a_table_has_every_column_that_any_row_names():
    table = Table([{"a": 1, "b": 0.12345}, {"a": 12_345, "c": None}], "Title")
    assert table.as_markdown().splitlines() == [
        "**Title**", "", "| a | b | c |", "| --- | --- | --- |", "| 1 | 0.123 |  |",
        "| 12,345 |  |  |",
    ]  # fmt: skip


def test_a_chart_needs_nothing_else_and_keeps_its_lines_inside():
    points = [(x / 10, (x % 7) * 13.7) for x in range(100)]
    svg = Chart("A <b>", "x", "y", (Series("s", points),), bound=200.0).svg()
    assert "A &lt;b&gt;" in svg
    assert "<script" not in svg
    assert svg.count("://") == 1  # the name of SVG itself
    line = svg.split('points="')[1].split('"')[0]
    for pair in line.split():
        x, y = map(float, pair.split(","))
        assert 56 <= x <= 640 - 16
        assert 36 <= y <= 300 - 44


def test_a_spark_says_in_words_what_it_draws():
    assert 'aria-label="3 runs, from 1 to 2"' in spark([1, 3, 2], bound=2.5)
