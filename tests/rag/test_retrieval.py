import uuid

import numpy as np
import pytest

from coach.database import Database, DatabaseError
from rag.errors import SearchUnavailable
from rag.fusion import ReciprocalRank, Signals
from rag.models import PlaybookVersion, Vector
from rag.retrieval import Filters, Retrieval
from rag.sources import Card


async def test_words_and_meaning_both_find(library):
    assert (await library.entries("that argument with my colleague", mode="lexical"))[0] in (
        "quarrel", "quarrel-again",
    )  # fmt: skip
    assert (await library.entries("I lie in bed brooding", mode="dense"))[0] == "sleep"
    assert (await library.entries("I lie awake because of a thought"))[0] == "sleep"


async def test_a_result_explains_itself(library):
    found = await library.search("the argument with my colleague")
    best = found.passages[0]
    why = best.explanation
    assert why.lexical_rank == 1
    assert why.dense_rank in (1, 2)
    assert 0 < why.lexical_share <= 0.3
    assert why.fused == pytest.approx(
        why.lexical_share + (1 - why.lexical_share) * why.cosine, abs=1e-6
    )
    assert best.score == why.fused
    assert best.version == found.version == 1
    assert [p.rank for p in found.passages] == [1, 2, 3]


async def test_the_lexical_leg_counts_less_where_it_knows_few_of_the_words(library):
    known = await library.search("the argument with my colleague")
    strange = await library.search("the argument about zeppelins and quaternions in marzipan")
    share = [found.passages[0].explanation.lexical_share for found in (known, strange)]
    assert share[0] > share[1] > 0


async def test_reciprocal_rank_counts_ranks_alone(library, live, encoder):
    search = Retrieval(live, encoder, ReciprocalRank())
    found = await search.search(
        "the argument with my colleague",
        organisation_id=library.playbook.organisation_id,
        playbook_id=library.playbook.id,
        timeout_s=5,
    )
    why = found.passages[0].explanation
    assert why.lexical_rank is not None
    assert why.dense_rank is not None
    expected = 1 / (60 + why.lexical_rank) + 1 / (60 + why.dense_rank)
    assert found.passages[0].score == pytest.approx(expected)


async def test_a_title_said_word_for_word_comes_first(library):
    found = await library.search("hand it over!")
    assert found.passages[0].entry == "delegate"
    assert found.passages[0].explanation.exact == "title"


async def test_a_trigger_phrase_heard_in_an_utterance_comes_first(library):
    found = await library.search("My colleague and I argue all the time, so where do I start?")
    assert found.passages[0].entry == "goal"
    assert found.passages[0].explanation.exact == "trigger"


async def test_signals_boost_and_say_so(library):
    plain = await library.search("what could I do", limit=6)
    boosted = await library.search("what could I do", limit=6, signals=Signals(emotion="fear"))
    before = {p.entry: p.score for p in plain.passages}
    after = {p.entry: p for p in boosted.passages}
    assert after["sleep"].explanation.boosts == {"emotion": 0.01}
    assert after["sleep"].score == pytest.approx(before["sleep"] + 0.01)
    assert after["goal"].score == pytest.approx(before["goal"])


async def test_three_cards_are_not_the_same_card(library):
    asked = "describe the argument with my colleague"
    assert set((await library.entries(asked))[:2]) == {"quarrel", "quarrel-again"}
    varied = await library.entries(asked, diversity=0.5)
    assert len({"quarrel", "quarrel-again"} & set(varied[:2])) == 1


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(deck="stress"), {"sleep"}),
        (Filters(deck=("stress", "Goals")), {"sleep", "goal"}),
        (Filters(activity="exploring", deck="conflict"), {"quarrel", "quarrel-again"}),
        (Filters(deck="unheard of"), set()),
        (Filters(language="de"), set()),
    ],
    ids=["one", "any of two, whatever the case", "both fields", "no such deck", "no such language"],
)
async def test_filters_let_through_what_carries_the_tag(library, filters, expected):
    assert set(await library.entries("what now", limit=6, filters=filters)) == expected


async def test_a_card_without_a_role_is_for_every_role(library):
    found = await library.entries("which task", limit=10, filters=Filters(role="participant"))
    assert "delegate" not in found
    assert "goal" in found


async def test_nothing_crosses_to_another_organisation(library):
    found = await library.retrieval.search(
        "argument",
        organisation_id=uuid.uuid4(),
        playbook_id=library.playbook.id,
        timeout_s=5,
    )
    assert found.passages == ()
    assert found.version is None


async def test_a_draft_is_not_searched(shelve):
    found = await shelve(publish=False).search("argument")
    assert found.passages == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "the of and",
        "\0",
        "\ud800",
        "🙂" * 50,
        "x" * 10_000,
        "' OR 1=1; --",
        "a & b | !c:*",
    ],
    ids=["empty", "blank", "stop words", "NUL", "surrogate", "emoji", "long", "SQL", "tsquery"],
)
async def test_any_text_can_be_searched_for(library, text):
    for mode in ("hybrid", "lexical", "dense"):
        await library.search(text, mode=mode)


async def test_an_opening_needs_no_words(library):
    found = await library.retrieval.opening(
        organisation_id=library.playbook.organisation_id,
        playbook_id=library.playbook.id,
        timeout_s=5,
    )
    assert [p.entry for p in found.passages] == ["listen"]


async def test_turns_before_help_a_short_utterance(library):
    alone = await library.search("yes, exactly that", limit=6)
    told = await library.search(
        "yes, exactly that", limit=6, context=("I cannot sleep, one thought keeps me awake",)
    )
    rank = {p.entry: p.rank for p in alone.passages}
    assert {p.entry: p.rank for p in told.passages}["sleep"] <= rank["sleep"]
    assert told.passages[0].entry == "sleep"


async def test_vectors_of_another_model_are_left_alone(library):
    await PlaybookVersion.objects.filter(playbook=library.playbook).aupdate(
        embedding_model="another"
    )
    found = await library.search("the argument with my colleague")
    assert not found.semantic
    assert found.passages[0].entry in ("quarrel", "quarrel-again")
    assert found.passages[0].explanation.cosine is None


async def test_without_an_encoder_the_lexical_leg_answers(library, live):
    found = await Retrieval(live, None).search(
        "argument",
        organisation_id=library.playbook.organisation_id,
        playbook_id=library.playbook.id,
        timeout_s=5,
    )
    assert {p.entry for p in found.passages} == {"quarrel", "quarrel-again"}


async def test_a_database_that_is_away_is_one_of_our_errors(library, encoder):
    closed = Retrieval(Database("default"), encoder, unavailable=(DatabaseError,))
    with pytest.raises(SearchUnavailable):
        await closed.search(
            "argument",
            organisation_id=library.playbook.organisation_id,
            playbook_id=library.playbook.id,
            timeout_s=5,
        )


async def test_ties_are_ordered_alike_every_time(shelve):
    cards = [Card(key=f"{n:02}", title=f"Card {n}", body=f"Breathe out. {n}") for n in range(30)]
    library = shelve(cards)
    first = await library.entries("breathe", mode="lexical", limit=20)
    assert first == sorted(first)
    assert await library.entries("breathe", mode="lexical", limit=20) == first


async def test_the_graph_finds_what_comparing_finds(shelve, encoder):
    """A version large enough for HNSW, under no filter and filters that keep ever fewer rows."""
    rng = np.random.default_rng(3)
    words = ["goal", "plan", "argument", "silence", "pressure", "pause", "trust", "night", "doubt"]
    cards = [
        Card(
            key=str(n),
            title="",
            body=" ".join(rng.choice(words, size=6)) + f" {n}",
            decks=tuple(name for name, each in (("half", 2), ("twentieth", 20)) if n % each == 0),
        )
        for n in range(4_200)
    ]
    library = shelve(cards)
    version = await PlaybookVersion.objects.aget(playbook=library.playbook)
    assert version.approximate
    rows = [row async for row in Vector.objects.filter(version=version).order_by("passage")]
    vectors = np.array([row.embedding for row in rows], dtype=np.float32)
    for filters, keeps in (
        (Filters(), 1),
        (Filters(deck="half"), 2),
        (Filters(deck="twentieth"), 20),
    ):
        hits = []
        for asked in words:
            exact = vectors @ await encoder.embed_query(asked, timeout_s=5)
            kept = [n for n in np.argsort(-exact, kind="stable") if n % keeps == 0][:10]
            found = await library.entries(asked, mode="dense", limit=10, filters=filters)
            assert len(found) == 10
            hits.append(len({int(key) for key in found} & set(kept)) / 10)
        assert np.mean(hits) >= 0.95
