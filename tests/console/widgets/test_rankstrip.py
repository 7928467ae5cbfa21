"""Ranks over time: a straggler stands out, a slow phase of all does not, silence is blank."""

import numpy as np
import pytest
from textual.app import App, ComposeResult

from llmos.agents.protocol.jobs import Curve
from llmos.console import themes
from llmos.console.widgets.glyphs import ASCII, UNICODE
from llmos.console.widgets.pen import Pen, width_of
from llmos.console.widgets.rankstrip import RankStrip, gathered, worst

START = 1_750_000_000.0


def curve(rank: int, seconds: list[float], first: float = START, every: float = 1.0) -> Curve:
    times: list[float | None] = [first + every * at for at in range(len(seconds))]
    return Curve(name="dt", rank=rank, attempt=1, times=times, values=seconds)


def strip(curves: list[Curve], width: int, glyphs=UNICODE, most: int = 8) -> list[str]:
    """The lines as text."""
    drawn = RankStrip()
    drawn.most = most
    drawn._curves = curves
    drawn._pen = Pen(themes.roles("dark"), glyphs)
    lines = drawn.draw(width)
    assert all(width_of(line) <= width for line in lines)
    return ["".join(segment.text for segment in line) for line in lines]


def test_a_straggler_stands_out_by_height_and_is_named():
    curves = [curve(rank, [0.5] * 40) for rank in range(4)]
    curves[2] = curve(2, [0.5] * 20 + [1.0] * 20)
    title, *rows = strip(curves, 90)
    assert "median 0.5s" in title
    assert "rank 2: 2.0× the median" in title
    heights = [set(row.split(maxsplit=1)[1].strip()) for row in rows]
    assert heights == [{"▂"}, {"▂"}, {"▂", "█"}, {"▂"}]
    assert rows[2].rstrip().endswith("█" * 10)


def test_a_slow_phase_of_all_ranks_is_no_straggler():
    curves = [curve(rank, [0.5] * 20 + [5.0] * 20) for rank in range(4)]
    title, *rows = strip(curves, 100)
    assert "rank" not in title.partition("rank")[2]
    assert set("".join(row.split(maxsplit=1)[1] for row in rows)) <= {"▂", " "}


def test_of_two_ranks_the_slower_one_is_behind_the_other():
    steps = gathered([curve(0, [0.5] * 10), curve(1, [1.0] * 10)], 20)
    assert steps is not None
    assert np.nanmax(steps.relative[0]) == 1.0
    assert np.nanmax(steps.relative[1]) == 2.0


def test_a_rank_that_falls_silent_leaves_blanks():
    curves = [curve(0, [0.5] * 60), curve(1, [0.5] * 20)]
    steps = gathered(curves, 60)
    assert steps is not None
    assert np.isfinite(steps.seconds[0]).all()
    until = round(20 / steps.stretch)
    assert np.isfinite(steps.seconds[1, : until - 1]).all()
    assert np.isnan(steps.seconds[1, until + 1 :]).all()


def test_a_step_longer_than_a_column_fills_the_columns_that_it_takes():
    steps = gathered([curve(rank, [10.0] * 6, every=10.0) for rank in range(2)], 60)
    assert steps is not None
    assert steps.stretch < 10
    assert np.isfinite(steps.seconds).all()


def test_absent_points_are_left_out():
    odd = Curve(
        name="dt",
        rank=1,
        attempt=1,
        times=[None, START, START + 1, START + 2],
        values=[0.1, float("nan"), 0.0, 0.5],
    )
    steps = gathered([odd], 10)
    assert steps is not None
    assert steps.seconds[np.isfinite(steps.seconds)].tolist() == [0.5]
    assert gathered([], 10) is None
    assert gathered([Curve(name="dt", rank=0, attempt=1)], 10) is None


@pytest.mark.parametrize("ranks", [1, 2, 3, 8, 63, 64])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_any_number_of_ranks_has_its_lines(ranks, glyphs):
    curves = [curve(rank, [0.5] * 30) for rank in range(ranks)]
    curves[-1] = curve(ranks - 1, [0.5] * 15 + [2.0] * 15)
    title, *rows = strip(curves, 80, glyphs)
    assert len(rows) == min(ranks, 8)
    assert rows[0].startswith("0")
    last = rows[-1].split(maxsplit=1)
    assert last[0].split("-")[-1] == f"{ranks - 1}"
    if ranks > 2:
        assert last[1].rstrip()[-1] == glyphs.rows[8]
    assert all(row.isascii() for row in [title, *rows]) or glyphs is UNICODE


def test_ranks_that_share_a_line_are_told_by_their_worst():
    relative = np.array([[1.0, np.nan], [3.0, np.nan], [1.0, 1.0], [1.0, np.nan], [0.9, 2.0]])
    shared = worst(relative, 3)
    assert np.array_equal(shared, [[3.0, np.nan], [1.0, 1.0], [0.9, 2.0]], equal_nan=True)
    assert np.array_equal(worst(relative, 8), relative, equal_nan=True)


def test_a_long_job_fits_and_stretches_stand_still_while_it_goes_on():
    day = [curve(rank, [60.0] * 1440, every=60.0) for rank in range(2)]
    before = gathered(day, 100)
    later = gathered([curve(rank, [60.0] * 1441, every=60.0) for rank in range(2)], 100)
    assert before is not None
    assert later is not None
    assert before.seconds.shape[1] <= 100
    assert before.stretch == later.stretch


class StripApp(App[None]):
    """One strip."""

    def compose(self) -> ComposeResult:
        yield RankStrip()


async def test_what_stands_still_is_not_sent_again(monkeypatch):
    app = StripApp()
    async with app.run_test(size=(60, 10)) as pilot:
        shown = app.query_one(RankStrip)
        assert not shown.known
        shown.show([curve(rank, [0.5] * 20) for rank in range(2)])
        await pilot.pause()
        shown.show([curve(rank, [0.5] * 20) for rank in range(2)])  # now that it knows its size
        await pilot.pause()
        assert shown.known
        assert shown.size.height == 3  # type: ignore[unreachable]
        asked = []
        monkeypatch.setattr(shown, "refresh", lambda *regions, **more: asked.append(regions))
        shown.show([curve(rank, [0.5] * 20) for rank in range(2)])
        assert asked == []
        shown.show([curve(rank, [0.5, 0.5 + rank] * 10) for rank in range(2)])
        assert asked
