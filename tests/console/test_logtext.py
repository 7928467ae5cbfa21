"""The text of several ranks' logs on one page."""

from llmos.agents.protocol.jobs import LogPiece
from llmos.console.logtext import LogText, plain


def piece(text: str, offset: int = 0, rank: int = 0) -> LogPiece:
    end = offset + len(text.encode())
    return LogPiece(job="1", attempt=1, rank=rank, offset=offset, end=end, text=text)


def test_each_byte_is_shown_once():
    text = LogText()
    assert text.taken(piece("one\ntwo\n"), marked=False) == "one\ntwo\n"
    assert text.taken(piece("two\n", offset=4), marked=False) == ""
    assert text.taken(piece("two\nthree\n", offset=4), marked=False) == "three\n"


def test_the_end_of_a_piece_is_what_the_agent_says():
    replaced = LogPiece(job="1", attempt=1, rank=0, offset=0, end=2, text="\ufffd\n")
    text = LogText()
    text.taken(replaced, marked=False)
    assert text.taken(piece("next\n", offset=2), marked=False) == "next\n"


def test_each_line_says_which_rank_printed_it():
    text = LogText()
    assert text.taken(piece("a\n\nb\n", rank=1), marked=True) == "[1] a\n[1] \n[1] b\n"


def test_a_line_in_pieces_is_one_line():
    text = LogText()
    assert text.taken(piece("step "), marked=True) == "[0] step "
    assert text.taken(piece("1\nstep", offset=5), marked=True) == "1\n[0] step"


def test_another_rank_begins_its_own_line():
    text = LogText()
    text.taken(piece("half"), marked=True)
    assert text.taken(piece("whole\n", rank=1), marked=True) == "\n[1] whole\n"
    assert text.taken(piece(" done\n", offset=4), marked=True) == "[0]  done\n"


def test_a_new_attempt_is_a_new_page():
    text = LogText()
    text.taken(piece("long line\n"), marked=False)
    text.clear()
    assert text.taken(piece("a\n"), marked=False) == "a\n"


def test_nothing_steers_the_terminal():
    assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07ok\x07\x9b") == "red ok"


def test_a_progress_bar_is_its_last_painting():
    assert plain("10%\r50%\r100%\ndone\r\n") == "100%\ndone\n"
