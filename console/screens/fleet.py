"""Fleet: is everything all right, what is busy, and where is room?"""

from collections.abc import Iterable
from typing import ClassVar, Final

import numpy as np
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.css.scalar import Scalar
from textual.widget import Widget
from textual.widgets import Label

from ...agents.protocol.facts import Interest
from ..actions import bindings
from ..tables.gpus import GpuTable
from ..tables.nodes import NodeTable
from ..widgets.grid import Grid
from ..widgets.heatcells import MARK_OF_STATE
from ..widgets.heatmap import HeatMap
from ..widgets.jobstrip import JobStrip
from ..widgets.totals import Totals
from .filtering import Filtering
from .plots import FLEET_GPU_PLOTS, FLEET_HOST_PLOTS, HistoryPlots

MAP_LINES: Final = 4
"""Of the heat map at the most: the grid below it says the same with figures."""

LEGENDS: Final = {
    "MAP": "UTIL of each GPU, by height and colour",
    "CORES": "load of each core, by height and colour",
}
"""Name of the map → what its cells say, where there is room for it."""

CELL: Final = 3
"""Characters of a cell in a roomy map, at the most."""

BESIDE_MAP: Final = 12
"""Characters of the map's name and of the margins."""

UNKNOWN_STATE: Final = 255
"""In place of a state that was never heard."""

PLOT_LINES: Final = 5
"""With fewer lines than these a plot tells nothing, and the grid takes the room."""


class FleetScreen(Filtering):
    """Totals, a map, and a row for each GPU; for each node where there is no GPU."""

    KIND = "fleet"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("fleet")]
    AUTO_FOCUS = "#grid"

    DEFAULT_CSS = """
    FleetScreen #mapline { height: auto; margin: 0 1; }
    FleetScreen #mapname { width: 7; color: $title; text-style: bold; }
    FleetScreen #map { width: 1fr; }
    FleetScreen #maplegend { color: $dim; }
    FleetScreen #grid { margin: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._nodes_chosen: bool | None = None
        """What a person chose; None while the fleet decides."""

        self._nodes_shown = False
        self._map_name = "MAP"

    def body(self) -> Iterable[Widget]:
        """Totals, map, grid, plots, jobs."""
        yield Totals(self.view)
        yield Horizontal(
            Label("MAP", id="mapname"),
            HeatMap(id="map", group=8),
            Label(LEGENDS["MAP"], id="maplegend"),
            id="mapline",
        )
        yield Grid(GpuTable(self.view.store), id="grid")
        yield HistoryPlots(self.view, id="plots")
        yield JobStrip(self.view)

    def interest(self) -> Interest:
        """A lone host without GPUs shows its cores."""
        facts = list(self.view.store.facts.values())
        return Interest(nodes=[facts[0].node]) if self._lone_host else Interest()

    def paint(self) -> None:
        """Show the present."""
        self._choose_rows()
        self.console_app.feed.show(self.interest())
        self.query_one(Totals).repaint()
        self.query_one(JobStrip).repaint()
        self._paint_map()
        self.query_one("#grid", Grid).update()
        self._share_lines()
        plots = self.query_one(HistoryPlots)
        if plots.display:
            plots.show(FLEET_GPU_PLOTS if self.view.store.gpus.rows else FLEET_HOST_PLOTS)

    def action_open(self) -> None:
        """Open the node of the row under the cursor."""
        self.query_one("#grid", Grid).action_open()

    def action_swap(self) -> None:
        """Rows of GPUs, or rows of nodes."""
        self._nodes_chosen = not self._nodes_shown
        self.paint()

    def action_copy(self) -> None:
        """The UUID of the GPU, or the name of the node, under the cursor."""
        grid = self.query_one("#grid", Grid)
        if grid.cursor is None:
            return
        if isinstance(grid.table, GpuTable):
            gpu = grid.table.facts(grid.cursor)
            self.console_app.copy(gpu.uuid if gpu else None)
        else:
            self.console_app.copy(self.view.store.facts[grid.cursor].hostname)

    def on_grid_opened(self, message: Grid.Opened) -> None:
        """Open the node of a row."""
        message.stop()
        if self._nodes_shown:
            self.console_app.open_node(message.row)
        else:
            self._open_gpu(message.row)

    def on_heat_map_chosen(self, message: HeatMap.Chosen) -> None:
        """Open the node of a cell."""
        message.stop()
        if self.view.store.gpus.rows:
            self._open_gpu(message.row)
        elif self._lone_host:
            self.console_app.open_node(next(iter(self.view.store.facts)))

    @property
    def _lone_host(self) -> bool:
        store = self.view.store
        return len(store.facts) == 1 and not store.gpus.rows

    def _open_gpu(self, row: int) -> None:
        self.console_app.open_node(self.view.store.slot_of_row(row), row)

    def _choose_rows(self) -> None:
        chosen = self._nodes_chosen
        nodes = not self.view.store.gpus.rows if chosen is None else chosen
        if nodes != self._nodes_shown:
            self._nodes_shown = nodes
            store = self.view.store
            self.query_one("#grid", Grid).set_table(NodeTable(store) if nodes else GpuTable(store))

    def _paint_map(self) -> None:
        store = self.view.store
        if store.gpus.rows:
            states = np.nan_to_num(store.gpus["state"], nan=UNKNOWN_STATE).astype(np.uint8)
            marks = MARK_OF_STATE[states]
            figures, name = store.gpus["utilization"] / 100, "MAP"
        else:
            cores = [detail.cores for detail in store.details.values()][:1]
            known = [np.nan if core is None else core / 100 for core in (cores or [[]])[0]]
            figures, marks, name = np.array(known, np.float32), None, "CORES"
        legend = self.query_one("#maplegend", Label)
        if name != self._map_name:  # an update lays the whole screen out anew
            self._map_name = name
            self.query_one("#mapname", Label).update(name)
            legend.update(LEGENDS[name])
        heat_map = self.query_one("#map", HeatMap)
        room = self.size.width - len(LEGENDS[name]) - BESIDE_MAP
        legend.display = CELL * len(figures) < room
        width = Scalar.parse(str(CELL * len(figures)) if legend.display else "1fr")
        if heat_map.styles.width != width:
            heat_map.styles.width = width
        heat_map.show(figures, marks)
        self.query_one("#mapline").display = len(figures) > 0
        wanted = heat_map.virtual_size.height if heat_map.size.width else 1
        lines = max(min(wanted, MAP_LINES), 1)
        if heat_map.styles.height != Scalar.from_number(lines):
            heat_map.styles.height = lines

    def _share_lines(self) -> None:
        """The grid takes what its rows need; plots what is left, if that is enough."""
        grid, plots = self.query_one("#grid", Grid), self.query_one(HistoryPlots)
        fixed = sum(
            widget.outer_size.height
            for widget in self.children
            if widget not in (grid, plots) and widget.display
        )
        free = self.size.height - fixed
        wanted = max(grid.lines_wanted, 2)
        with_plots = free - wanted >= PLOT_LINES
        if plots.display != with_plots:
            plots.display = with_plots
        height = str(wanted) if with_plots else "1fr"
        if str(grid.styles.height) != height:
            grid.styles.height = height
