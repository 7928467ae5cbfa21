"""The names of a screen's parts: one stands out, and the ends are joined."""

import pytest
from textual.app import App, ComposeResult

from llmos.console.widgets.partbar import PartBar

PARTS = ("Overview", "Log", "History")


@pytest.mark.parametrize(
    ("part", "by", "found"),
    [
        ("Overview", 1, "Log"),
        ("History", 1, "Overview"),
        ("Overview", -1, "History"),
        ("a part that is gone", 1, "Log"),
    ],
)
def test_after_the_last_part_comes_the_first(part, by, found):
    bar = PartBar()
    bar.show(PARTS, part)
    assert bar.beside(by) == found


class Parted(App[None]):
    """One bar."""

    def compose(self) -> ComposeResult:
        yield PartBar()


async def test_only_the_part_that_is_shown_is_underlined():
    app = Parted()
    async with app.run_test(size=(60, 3)) as pilot:
        bar = app.query_one(PartBar)
        for part in PARTS:
            bar.show(PARTS, part)
            await pilot.pause()
            line = bar.render_line(0)
            assert line.text.split()[:3] == [*PARTS]
            assert [each.text for each in line if each.style and each.style.underline] == [part]
