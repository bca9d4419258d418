from safety.speed import speeds


def test_each_part_is_timed_over_all_its_texts():
    rows = speeds(4)
    assert [row["n"] for row in rows] == [20, 20, 5, 5, 60, 20]
    assert all(0 < row["p50"] <= row["p95"] for row in rows)
