"""The page of a job's log: a merged past, what follows it, only some ranks, only some words."""

import pytest

from llmos.agents.protocol.jobs import LogLine, LogPiece
from llmos.console.logtext import LogFilter, LogText, ranks_read, ranks_said


def piece(text: str, offset: int = 0, rank: int = 0) -> LogPiece:
    end = offset + len(text.encode())
    return LogPiece(job="1", attempt=1, rank=rank, offset=offset, end=end, text=text)


def test_the_past_is_folded_and_what_follows_begins_where_it_ends():
    text = LogText()
    lines = [
        LogLine(time=1.0, ranks=[0, 1, 2, 3, 6], text="loaded\x1b[0m"),
        LogLine(time=2.0, ranks=[3], text="slow"),
    ]
    past = text.past(lines, {0: 4, 3: 9}, marked=True)
    assert past.replace("x5", "×5") == "[0-3,6] ×5 loaded\n[3] slow\n"
    assert text.taken(piece("old\nnew\n"), marked=True) == "[0] new\n"
    assert text.taken(piece("first\n", rank=5), marked=True) == "[5] first\n"


def test_of_some_ranks_only():
    text = LogText()
    text.clear(LogFilter(ranks=frozenset({1})))
    assert text.taken(piece("a\n"), marked=True) == ""
    assert text.taken(piece("b\n", rank=1), marked=True) == "[1] b\n"


@pytest.mark.parametrize("search", ["LOSS", "/lo.s \\d/"])
def test_a_search_waits_for_whole_lines(search):
    text = LogText()
    text.clear(LogFilter(search=search))
    assert text.taken(piece("lo"), marked=False) == ""
    assert text.taken(piece("nothing\n", rank=1), marked=False) == ""
    assert text.taken(piece("ss 1\nother\n", offset=2), marked=False) == "loss 1\n"


def test_an_expression_that_is_none_finds_nothing():
    text = LogText()
    text.clear(LogFilter(search="/(/"))
    assert text.taken(piece("(\n"), marked=False) == ""


@pytest.mark.parametrize(
    ("ranks", "said"), [([], ""), ([3], "3"), ([0, 1, 2, 5, 7, 8], "0-2,5,7-8"), ([9, 8], "8-9")]
)
def test_ranks_in_few_words(ranks, said):
    assert ranks_said(ranks) == said
    assert ranks_read(said, range(10)) == set(ranks)


@pytest.mark.parametrize("text", ["x", "1-", "-1", "4", "0-9", "1.5", "0,,y"])
def test_words_that_name_no_ranks_are_told(text):
    with pytest.raises(ValueError, match=r"^ranks: [^\n]*$"):
        ranks_read(text, range(4))
