from safety.comparison import compare


def taken(row) -> float:
    hits, wanted = row["taken"].split(" of ")
    return int(hits) / int(wanted)


def test_the_same_sentences_go_through_presidio_as_shipped_and_through_ours():
    shipped, patterns, whole = compare()
    assert shipped["sentences"] == patterns["sentences"] == whole["sentences"] >= 200
    assert taken(shipped) < 0.5 < taken(patterns) < taken(whole)
    assert taken(whole) >= 0.92
