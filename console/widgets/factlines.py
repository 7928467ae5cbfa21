"""What a GPU and its host are, in three lines under the grid: the figures that stand still."""

from ...agents.protocol.facts import GpuFacts, NodeFacts
from ...agents.protocol.fields import throttle_reasons
from .. import quantities as q
from ..tables.gpus import label
from ..view import View
from .lines import Line, Lines
from .pairs import Pair, pairs


class FactLines(Lines):
    """The facts of the GPU under the cursor, or of the host where there is none."""

    DEFAULT_CSS = """
    FactLines { padding: 0 1; }
    """

    def __init__(self, view: View, slot: int) -> None:
        super().__init__(id="facts")
        self._view = view
        self._slot = slot
        self.row: int | None = None

    def draw(self, width: int) -> list[Line]:
        """Two lines for the GPU, where there is one, and two for the host; cut at whole figures."""
        node = self._view.store.facts[self._slot]
        gpu = self._gpu(node)
        host = [*self._host_figures(node), *_of_host(node)]
        if gpu is None:
            return [*pairs(host, width, self.pen, most=2)]
        lines = pairs([*_of_gpu(gpu), *self._present()], width, self.pen, most=2)
        return [*lines, *pairs(host, width, self.pen, most=1)]

    def _host_figures(self, node: NodeFacts) -> list[Pair]:
        nodes, slot = self._view.store.nodes, self._slot
        return [
            ("CPU", q.percent(float(nodes["cpu"][slot]))),
            ("load", q.number(float(nodes["load"][slot]))),
            ("memory", q.of_total(float(nodes["memory_used"][slot]), node.memory_total)),
            ("net in", q.rate(float(nodes["network_receive"][slot]))),
            ("out", q.rate(float(nodes["network_send"][slot]))),
        ]

    def _gpu(self, node: NodeFacts) -> GpuFacts | None:
        if self.row is None:
            return None
        index = self.row - self._view.store.rows(self._slot).start
        return next((gpu for gpu in node.gpus if gpu.index == index), None)

    def _present(self) -> list[Pair]:
        """Figures that a person reads beside the facts, for the row under the cursor."""
        row, gpus = self.row, self._view.store.gpus
        if row is None:
            return []

        def figure(name: str) -> float | None:
            value = float(gpus[name][row])
            return value if q.known(value) else None

        bits = figure("throttle")
        reasons = throttle_reasons(None if bits is None else int(bits))
        state = figure("performance_state")
        return [
            ("slowed by", "n/a" if reasons is None else ", ".join(reasons) or "nothing"),
            ("P-state", "n/a" if state is None else f"P{state:.0f}"),
            ("memory clock", f"{q.megahertz(figure('memory_clock'))} MHz"),
            ("memory bandwidth", q.percent(figure("memory_utilization"))),
            ("encoder", q.percent(figure("encoder"))),
            ("decoder", q.percent(figure("decoder"))),
        ]


def _of_gpu(gpu: GpuFacts) -> list[Pair]:
    pcie = f"gen {_or(gpu.pcie_generation)} × {_or(gpu.pcie_width)}"
    ecc = {None: "n/a", False: "off", True: "on"}[gpu.ecc]
    if gpu.ecc and gpu.ecc_uncorrected is not None:
        ecc = f"{gpu.ecc_corrected or 0} corrected, {gpu.ecc_uncorrected} uncorrected"
    links = f"{sum(bool(link.active) for link in gpu.links)} of {len(gpu.links)} up"
    return [
        ("GPU", label(gpu)),
        ("UUID", gpu.uuid or "n/a"),
        ("PCIe", pcie),
        ("NVLink", links if gpu.links else "none"),
        ("ECC", ecc),
    ]


def _of_host(node: NodeFacts) -> list[Pair]:
    return [
        *[(f"disk {disk.mount}", q.of_total(disk.used, disk.total)) for disk in node.disks[:3]],
        ("cores", f"{_or(node.cores)} of {node.cpu or 'n/a'}"),
        ("system", node.system or "n/a"),
        ("kernel", node.kernel or "n/a"),
    ]


def _or(value: int | None) -> str:
    return "n/a" if value is None else str(value)
