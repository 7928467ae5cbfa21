"""The log follows its end, whatever its size does, unless a person reads further up."""

from textual.app import App, ComposeResult

from llmos.console.widgets.logtail import LogTail


class LogApp(App[None]):
    """One log."""

    def compose(self) -> ComposeResult:
        yield LogTail()


def lines(first: int, last: int) -> str:
    return "".join(f"line {at}\n" for at in range(first, last))


async def test_the_end_stays_in_sight_when_the_screen_shrinks_and_grows():
    app = LogApp()
    async with app.run_test(size=(40, 20)) as pilot:
        log = app.query_one(LogTail)
        log.append(lines(0, 50))
        for height in (8, 30, 5):
            await pilot.resize_terminal(40, height)
            await pilot.pause()
            assert log.is_vertical_scroll_end
        log.append(lines(50, 60))
        await pilot.pause()
        assert log.is_vertical_scroll_end


async def test_who_reads_above_stays_there_until_back_at_the_end():
    app = LogApp()
    async with app.run_test(size=(40, 10)) as pilot:
        log = app.query_one(LogTail)
        log.focus()
        log.append(lines(0, 50))
        await pilot.pause()
        await pilot.press("home")
        await pilot.pause()
        log.append(lines(50, 60))
        await pilot.pause()
        assert log.scroll_offset.y == 0
        await pilot.press("end")
        await pilot.pause()
        log.append(lines(60, 70))
        await pilot.pause()
        assert log.is_vertical_scroll_end
