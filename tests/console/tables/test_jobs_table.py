"""The table of jobs: marks, arrays, and why a job is where it is."""

import pytest

from llmos.console import themes
from llmos.console.tables.jobs import SELDOM, JobTable, array_places, why
from llmos.console.widgets.glyphs import ASCII, UNICODE
from llmos.console.widgets.pen import Pen, width_of
from llmos.tests.console.fleets import NOW, job

JOBS = (
    job("1", "failed", cause="rank 0 exited with 1", failure="disk full", ended=NOW),
    job("2", "queued", held=True, cause="until released", priority=-1, after=["1:any"]),
    job("3", "queued", array="rates", cause="waiting for 2 GPUs: 1 free", created=2.0),
    job("4", array="rates", created=1.0),
)


def table(*jobs) -> JobTable:
    return JobTable({each.id: each for each in jobs or JOBS}, lambda: NOW)


def columns(of: JobTable) -> set[str]:
    return {column.key for column in of.columns}


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_every_cell_is_as_wide_as_its_column(glyphs):
    shown = table()
    shown.marked = {"1", "3"}
    pen = Pen(themes.roles("dark"), glyphs)
    assert columns(shown) >= SELDOM
    for row in shown.rows(shown.arrange("", False, "").tolist()):
        for column in shown.columns:
            for width in (1, column.width, column.width + 7):
                assert width_of(column.paint(row, width, pen)) == width, column.key


def test_a_mark_is_seen_without_colour():
    shown = table()
    shown.marked = {"3"}
    pen = Pen(themes.roles("dark"), UNICODE)
    paint = next(column.paint for column in shown.columns if column.key == "id")
    marked = ["".join(part.text for part in paint(row, 6, pen)) for row in shown.rows(range(4))]
    assert marked == ["     1", "     2", "▌    3", "     4"]


def test_columns_that_say_nothing_are_left_out():
    assert columns(table(job("1"))).isdisjoint(SELDOM)
    assert columns(table(job("1", priority=1))) & SELDOM == {"priority"}


def test_places_in_an_array_count_from_the_first_that_was_submitted():
    assert array_places(JOBS) == {"4": "rates 1/2", "3": "rates 2/2"}
    assert array_places([]) == {}


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("1", "disk full: rank 0 exited with 1"),
        ("2", "held: until released"),
        ("3", "waiting for 2 GPUs: 1 free"),
    ],
)
def test_why(id, said):
    assert why(next(each for each in JOBS if each.id == id)) == said


def test_what_the_cause_says_is_not_said_twice():
    assert why(job("1", "failed", cause="Disk full on /", failure="disk full")) == "Disk full on /"
    assert why(job("1", "queued", held=True, cause="held by ada")) == "held by ada"


@pytest.mark.parametrize(
    ("text", "ids"),
    [("held", ["2"]), ("rates", ["3", "4"]), ("disk", ["1"]), ("queued 1 free", ["3"])],
)
def test_jobs_are_found_by_what_holds_them(text, ids):
    shown = table()
    found = [row["id"] for row in shown.rows(shown.arrange("id", False, text).tolist())]
    assert found == ids
