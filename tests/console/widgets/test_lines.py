"""Lines of segments: where two lines differ, and labels that are broken between pairs."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from llmos.console import themes
from llmos.console.widgets.glyphs import UNICODE
from llmos.console.widgets.lines import changed_span
from llmos.console.widgets.pairs import pairs
from llmos.console.widgets.pen import Pen, printable, width_of

PEN = Pen(themes.roles("dark"), UNICODE)
WIDTH = 20


def strips() -> st.SearchStrategy[Strip]:
    segment = st.tuples(
        st.text("ab█ ", min_size=1, max_size=6),
        st.sampled_from([Style(), Style(bold=True)]),
    ).map(lambda drawn: Segment(*drawn))
    return st.lists(segment, max_size=6).map(lambda parts: Strip(parts).adjust_cell_length(WIDTH))


def cells(strip: Strip) -> list[tuple[str, Style | None]]:
    return [(letter, segment.style) for segment in strip for letter in segment.text]


@given(strips(), strips())
def test_outside_the_span_nothing_differs(old, new):
    spans = changed_span(old, new)
    inside = {x for start, end in spans for x in range(start, end)}
    before, after = cells(old), cells(new)
    assert all(before[x] == after[x] for x in range(WIDTH) if x not in inside)
    assert all(0 <= start < end <= WIDTH for start, end in spans)


@given(strips())
def test_what_stays_costs_nothing(strip):
    assert changed_span(strip, Strip(list(strip))) == []


def test_a_clock_at_the_end_costs_its_own_width():
    lines = [Strip([Segment("heading " * 2), Segment(clock)]) for clock in ("12:00", "12:01")]
    assert changed_span(*lines) == [(16, 21)]


PAIRS = st.lists(st.tuples(st.text("abc", min_size=1, max_size=9), st.text(max_size=30)))


@given(PAIRS, st.integers(12, 80))
def test_no_line_of_pairs_is_too_wide(said, width):
    for line in pairs(said, width, PEN):
        text = "".join(segment.text for segment in line)
        assert cell_len(text.rstrip()) <= width
        assert text.isprintable()


@given(PAIRS, st.integers(12, 80), st.integers(1, 3))
def test_a_fixed_number_of_lines_is_kept(said, width, most):
    assert len(pairs(said, width, PEN, most=most)) == most


@given(st.text(), st.integers(0, 40), st.booleans())
def test_a_text_takes_its_cells_and_steers_nothing(text, width, right):
    cell = PEN.text(text, width, PEN.roles.text, right=right)
    assert width_of(cell) == width
    assert all(segment.text.isprintable() for segment in cell)


def test_what_others_chose_is_one_line():
    assert printable("a\x1b[2Jb\nc") == "a [2Jb c"
