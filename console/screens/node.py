"""Node: what does each GPU of this host do, since when, and for whom?"""

from collections.abc import Iterable
from typing import ClassVar, Final

import numpy as np
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.css.scalar import Scalar
from textual.widget import Widget
from textual.widgets import Label

from ...agents.protocol.facts import Interest, NodeFacts, Process
from ..actions import bindings
from ..tables.gpus import GpuTable
from ..tables.processes import ProcessTable
from ..widgets.factlines import FactLines
from ..widgets.grid import Grid
from ..widgets.heatmap import HeatMap
from .confirm import ConfirmScreen
from .filtering import Filtering
from .plots import FLEET_HOST_PLOTS, HistoryPlots, gpu_plots

SIGNALS: Final = {"y": 15, "9": 9}

HEADING_AND_KEYS: Final = 2
LEAST_PROCESSES: Final = 4
LEAST_PLOT: Final = 5
"""Lines."""


class NodeScreen(Filtering):
    """Its GPUs, the history of the one under the cursor, cores, and processes."""

    KIND = "node"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("node")]

    DEFAULT_CSS = """
    NodeScreen Grid { margin: 0 1; }
    NodeScreen #processes { height: 1fr; }
    NodeScreen #coreline { height: auto; margin: 0 1; }
    NodeScreen #corename { width: 7; color: $title; text-style: bold; }
    NodeScreen #cores { width: 1fr; height: 1; }
    """

    def __init__(self, slot: int, row: int | None = None) -> None:
        super().__init__()
        self._slot = slot
        self._row = row
        self._processes = ProcessTable()

    @property
    def place(self) -> str:
        """The node's name is in the heading's description."""
        return "Node"

    @property
    def facts(self) -> NodeFacts:
        """What the node is."""
        return self.view.store.facts[self._slot]

    def interest(self) -> Interest:
        """Everything of this node."""
        return Interest(nodes=[self.facts.node])

    def body(self) -> Iterable[Widget]:
        """GPUs, facts, plots, cores, processes."""
        gpus = Grid(GpuTable(self.view.store, self._slot), id="gpus")
        gpus.cursor = self._row
        yield gpus
        yield FactLines(self.view, self._slot)
        yield HistoryPlots(self.view, id="plots")
        yield Horizontal(Label("CORES", id="corename"), HeatMap(id="cores"), id="coreline")
        yield Grid(self._processes, id="processes", empty="no process uses a GPU here")

    def on_mount(self) -> None:
        """The keys go to the GPUs, or to the processes where there is no GPU."""
        super().on_mount()
        has_gpus = bool(self.facts.gpus)
        self.query_one("#gpus").display = has_gpus
        self.query_one("#gpus" if has_gpus else "#processes").focus()

    def paint(self) -> None:
        """Show the present."""
        grid = self.query_one("#gpus", Grid)
        grid.update()
        self._share_lines(grid)
        facts = self.query_one(FactLines)
        facts.row = grid.cursor
        facts.repaint()
        self._paint_plots(grid.cursor)
        self._paint_detail()

    def on_grid_pointed(self, message: Grid.Pointed) -> None:
        """The plots follow the cursor."""
        if message.grid.id == "gpus":
            self.paint()

    def action_kill(self) -> None:
        """Ask, then send a signal to the process under the cursor."""
        process = self._chosen_process()
        if process is None:
            self.notify("no process under the cursor", severity="warning")
            return
        started = process.started
        if started is None:
            self.notify(
                f"process {process.pid} lives in another container: end it from there",
                severity="warning",
            )
            return
        if not self.console_app.may_change():
            return

        async def done(answer: str | None) -> None:
            if answer is not None:
                app = self.console_app
                client = await app.attempt(app.connected())
                if client is not None:
                    number = SIGNALS[answer]
                    await app.attempt(client.signal(self.facts.node, process.pid, started, number))

        held = f"on GPU {process.gpu}" if process.gpu is not None else "on no GPU"
        text = (
            f"{process.command}\n\n{process.user or 'an unknown user'}, {held}\n\n"
            f"kill {process.pid}      (9: kill -9 {process.pid})"
        )
        answers = [("y", "SIGTERM"), ("9", "SIGKILL")]
        self.app.push_screen(ConfirmScreen(f"Kill process {process.pid}?", text, answers), done)

    def action_copy(self) -> None:
        """The GPU's UUID, or the process' pid."""
        grid = self.focused
        if grid is self.query_one("#processes"):
            process = self._chosen_process()
            self.console_app.copy(str(process.pid) if process else None)
        elif (
            isinstance(grid, Grid) and isinstance(grid.table, GpuTable) and grid.cursor is not None
        ):
            gpu = grid.table.facts(grid.cursor)
            self.console_app.copy(gpu.uuid if gpu else None)

    def _chosen_process(self) -> Process | None:
        grid = self.query_one("#processes", Grid)
        return None if grid.cursor is None else self._processes.process(grid.cursor)

    def _share_lines(self, gpus: Grid) -> None:
        """Some lines for the processes, then the GPUs, then plots where enough is left."""
        fixed = sum(self.query_one(name).outer_size.height for name in ("#facts", "#coreline"))
        free = self.size.height - fixed - HEADING_AND_KEYS
        processes = min(max(self._processes.count + 1, LEAST_PROCESSES), max(free // 4, 3))
        wanted = gpus.lines_wanted if gpus.display else 0
        rows = min(wanted, free - processes)
        left = free - processes - rows
        plots = self.query_one(HistoryPlots)
        plots.display = left >= LEAST_PLOT
        for widget, lines in ((gpus, rows), (plots, left)):
            if widget.display and widget.styles.height != Scalar.from_number(lines):
                widget.styles.height = lines

    def _paint_plots(self, row: int | None) -> None:
        table = self.query_one("#gpus", Grid).table
        gpu = table.facts(row) if isinstance(table, GpuTable) and row is not None else None
        if row is None or gpu is None:
            self.query_one(HistoryPlots).show(FLEET_HOST_PLOTS)
        else:
            plots = gpu_plots(row, gpu.memory_total, gpu.power_limit)
            self.query_one(HistoryPlots).show(plots)

    def _paint_detail(self) -> None:
        detail = self.view.store.details.get(self._slot)
        self.query_one("#coreline").display = detail is not None and bool(detail.cores)
        if detail is None:
            return
        cores = [np.nan if core is None else core / 100 for core in detail.cores]
        self.query_one("#cores", HeatMap).show(np.array(cores))
        self._processes.show(detail.processes, self.view.store.sampled or self.view.clock())
        self.query_one("#processes", Grid).update()
