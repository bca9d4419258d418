"""What is read off a worker: the slope of its memory, and what its log complains of."""

import json
import os

import pytest

from coach.bench.vitals import complaints, cpu_s, failed_requests, resident_mib, slope


def test_a_straight_line_is_found_exactly():
    line = slope([(x, 100 + 0.25 * x) for x in range(60)])
    assert line is not None
    assert line.per_minute == pytest.approx(0.25)
    assert line.error == pytest.approx(0, abs=1e-9)


def test_noise_around_a_level_is_no_slope_beyond_its_error():
    line = slope([(x, 100 + (-1) ** x) for x in range(100)])
    assert line is not None
    assert abs(line.per_minute) < 2 * line.error


def test_two_samples_are_no_line():
    assert slope([(0, 1), (1, 2)]) is None


def test_errors_and_what_nobody_caught_are_told_apart(scratch):
    log = scratch / "server.log"
    lines = [
        {"event": "before", "level": "error"},
        {"event": "memory.filling", "level": "warning"},
        {"event": "road.overdue", "level": "error"},
        {"event": "road.broken", "level": "error", "error": "KeyError", "at": ["hub.py:1:go"]},
    ]
    log.write_text("\n".join(map(json.dumps, lines)) + "\nTraceback (most recent call last):\n")
    begin = log.read_text().index("\n") + 1
    found = complaints(log, begin=begin)
    assert found.errors == {"road.overdue": 1}
    assert found.unhandled.total() == 2
    assert found.unhandled["road.broken"] == 1


def test_only_answers_of_500_and_beyond_are_failed_requests():
    name = "sidecoach_http_ms_count"
    assert failed_requests({
        f'{name}{{view="a",status="200"}}': 5, f'{name}{{view="a",status="503"}}': 2,
        f'{name}{{view="b",status="500"}}': 1, f'{name}{{view="5",status="404"}}': 4,
    }) == 3  # fmt: skip


def test_this_process_has_memory_and_used_the_processor():
    assert resident_mib(os.getpid()) > 1
    assert cpu_s(os.getpid()) > 0
