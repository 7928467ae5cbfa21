"""Fleet: the cursor, the order, the filter, the map, and fleets of every size and state."""

import pytest

from llmos.agents.protocol.frames import Frame, Kind
from llmos.console.link import Link
from llmos.console.screens.node import NodeScreen
from llmos.console.widgets.grid import Grid
from llmos.console.widgets.heatmap import HeatMap
from llmos.tests.console.fleets import NOW, Fleet, job
from llmos.tests.console.looking import notices, seen, settled, tell

SIZES = [(300, 100), (20, 5), (80, 24)]
FAULTS = {0: "lost", 1: "hung", 2: "slow", 3: "failed", 4: "hot", 5: "absent"}
FLEETS = {
    "nothing heard": Fleet(nodes=0),
    "no GPU": Fleet(gpus=0),
    "no figure": Fleet(silent=True, faults=dict.fromkeys(range(8), "absent")),
    "one GPU": Fleet(gpus=1),
    "faults": Fleet(faults=FAULTS),
    "MIG": Fleet(mig=True),
    "one sample": Fleet(samples=1),
    "100 GPUs": Fleet(nodes=10, gpus=10, samples=3, jobs=tuple(job(str(n)) for n in range(9))),
}


@pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS)
async def test_any_fleet_is_shown_at_any_size(make_app, fleet):
    app = make_app(fleet)
    async with app.run_test(size=(80, 24)) as pilot:
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await tell(pilot, *([fleet.sample(NOW + 1)] if fleet.nodes else []))
            assert len(seen(app).splitlines()) == height
        assert "llmos Fleet" in seen(app)
        await pilot.press("enter")
        await settled(pilot)
        await pilot.resize_terminal(40, 10)
        await settled(pilot)
        assert app._exception is None


async def test_parts_share_the_lines_at_once_and_after_a_resize(make_app):
    app = make_app(Fleet())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        small = seen(app)
        assert "GPU utilization" in small
        assert len([line for line in small.splitlines() if not line.strip()]) == 0
        await pilot.resize_terminal(80, 13)
        await settled(pilot)
        assert "GPU utilization" not in seen(app)
        assert app.query_one("#grid", Grid).size.height == 6


async def test_figures_that_are_absent_are_never_zero(make_app):
    app = make_app(Fleet(silent=True, faults=dict.fromkeys(range(8), "absent")))
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot)
        totals = "\n".join(seen(app).splitlines()[1:5])
        assert "0%" not in totals
        assert "busy n/a" in totals
        assert totals.count("n/a") >= 10


async def test_gpus_without_trouble_say_nothing_and_others_do(make_app):
    for fleet, said in ((Fleet(), ""), (Fleet(faults=FAULTS), "5 not ok")):
        app = make_app(fleet)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            assert ("not ok" in seen(app)) == bool(said)
            assert said in seen(app)


async def test_mig_instances_are_not_counted_twice(make_app):
    app = make_app(Fleet(mig=True))
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        assert "busy 6 of 8" in seen(app)
        used = app.view.store.gpus["memory_used"]
        assert used[8] == 9_000
        assert f"{used[:8].sum() / 1024:.0f}/637G" in seen(app)


async def test_the_cursor_stays_on_its_gpu_and_opens_it(make_app):
    fleet = Fleet()
    app = make_app(fleet)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        grid = app.query_one("#grid", Grid)
        grid.set_sort("utilization", descending=True)
        await pilot.press("end")
        assert grid.cursor == 7
        busy = Fleet(figures={7: {"utilization": 100}})
        await tell(pilot, busy.sample(NOW + 1))
        assert grid.cursor == 7
        assert grid._order[0] == 7
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, NodeScreen)
        assert "GPU 7" in seen(app)


async def test_the_filter_works_as_one_types_and_is_seen(make_app):
    app = make_app(Fleet(faults={3: "lost"}))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        grid = app.query_one("#grid", Grid)
        await pilot.press("slash", *"los")
        assert grid.row_count == 1
        await pilot.press("t", "enter")
        await settled(pilot)
        assert app.focused is grid
        assert "Fleet /lost" in seen(app)
        await pilot.press("escape")
        await settled(pilot)
        assert grid.row_count == 8
        assert "/lost" not in seen(app)


async def test_escape_in_the_filter_shows_all_rows(make_app):
    app = make_app(Fleet())
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"zzz")
        await settled(pilot)
        assert "no row contains these words" in seen(app)
        await pilot.press("escape")
        assert app.query_one("#grid", Grid).row_count == 8
        assert app.focused is app.query_one("#grid")


async def test_clicks_on_rows_headers_and_the_map(make_app):
    app = make_app(Fleet())
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        grid = app.query_one("#grid", Grid)
        await pilot.click("#grid", offset=(5, 3))
        assert grid.cursor == 2
        await pilot.click("#grid", offset=(2, 0))
        assert grid.sort == "label"
        await pilot.click("#map", offset=(11, 0))
        await settled(pilot)
        assert isinstance(app.screen, NodeScreen)
        assert app.screen.query_one("#gpus", Grid).cursor == 5


async def test_the_map_says_what_its_colours_mean(make_app):
    app = make_app(Fleet())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "UTIL of each GPU" in seen(app)
        assert app.query_one("#map", HeatMap).size.height == 1


async def test_rows_of_nodes(make_app):
    app = make_app(Fleet(nodes=3, samples=2))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("v", "down", "enter")
        await settled(pilot)
        assert isinstance(app.screen, NodeScreen)
        assert app.screen.facts.hostname == "gpu-2"


async def test_a_lone_host_shows_its_cores(make_app):
    app = make_app(Fleet(gpus=0))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "CORES" in seen(app)
        assert "no NVIDIA GPU" in seen(app)
        assert "load of each core" in seen(app)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("starting", "starting the agent, last seen 7"),
        ("lost", "no agent, retrying, last seen 7"),
        ("refused", "refused, last seen 7"),
    ],
)
async def test_a_lost_agent_says_how_old_the_picture_is(make_app, state, words):
    app = make_app(Fleet())
    app.feed.store.sampled = NOW - 7
    app.feed.link = Link(state, "why")
    async with app.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        assert words in seen(app)


async def test_a_silent_agent_is_late(make_app):
    app = make_app(Fleet())
    async with app.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        assert "live 1 Hz" in seen(app)
        app.feed.store.heard -= 60
        app._tick()
        await settled(pilot)
        assert "late, last seen 1m00s ago" in seen(app)


async def test_a_beat_makes_it_live_again(make_app):
    app = make_app(Fleet())
    async with app.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        app.feed.store.heard -= 60
        await tell(pilot, Frame(Kind.BEAT, wall=NOW))
        assert "live 1 Hz" in seen(app)


async def test_the_clock_is_utc_or_local(make_app, monkeypatch):
    app = make_app(Fleet())
    async with app.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        assert "15:06:40Z" in seen(app)
        await pilot.press("z")
        await settled(pilot)
        assert "15:06:40Z" not in seen(app)
        assert ":06:40" in seen(app)


async def test_names_of_others_are_no_markup_and_steer_nothing(make_app):
    nasty = job("1", name="[/bold]\x1b[2J", cause="[red]\x1b]0;x\x07 gone", state="failed")
    app = make_app(Fleet(jobs=(nasty,)))
    async with app.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        assert "\x1b" not in seen(app)
        assert "[/bold]" in seen(app)
        app.notify("[/x] is no markup")
        await settled(pilot)
        assert "[/x] is no markup" in notices(app)
