"""What is known of a fleet, from the frames of one stream. One machine is a fleet of one.

A row of `gpus` is one GPU, a row of `nodes` is one node (its slot). Facts bind a slot to a node and
to its rows; a record for a slot that no facts have bound is counted and left out. The store knows
nothing of connections or screens.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import AgentIncompatible, FrameError
from ..protocol.events import Event
from ..protocol.facts import PROTOCOL, Detail, Facts, Gap, Hello, JobFacts, NodeFacts
from ..protocol.fields import GPU_FIELDS, NODE_FIELDS
from ..protocol.frames import Frame, Kind
from ..protocol.jobs import JobSummary, LogPiece, Metric
from ..protocol.samples import split_sample
from .columns import Columns, Decoder, Rows
from .history import History

NODES: Final = 65_535
"""As many as two bytes of a slot can name; a higher slot is refused."""

GPUS_PER_NODE: Final = 255
"""As many as `index` can name, and more rows than MIG gives on sixteen GPUs."""

ROWS: Final = 2**18
"""GPUs in all."""

EVENTS: Final = 1000

GPU_HISTORY: Final = ("utilization", "memory_used", "power", "temperature")
NODE_HISTORY: Final = ("cpu", "memory_used", "network_receive", "network_send")

NODE_KEYS: Final = ("slot",)
GPU_KEYS: Final = ("slot", "index")
"""Fields without which a record cannot be put anywhere."""

UNBOUND: Final = -1

Mask = npt.NDArray[np.bool_]
Listener = Callable[[Metric | LogPiece | Event], None]


class Store:
    """The present of a fleet, and a short past."""

    def __init__(self, listener: Listener = lambda item: None) -> None:
        self.nodes = Columns(NODE_FIELDS)
        self.gpus = Columns(GPU_FIELDS)
        self.node_history = History(NODE_HISTORY)
        self.gpu_history = History(GPU_HISTORY)
        self.facts: dict[int, NodeFacts] = {}
        """By slot."""

        self.details: dict[int, Detail] = {}
        self.jobs: dict[str, JobSummary] = {}
        """By id, in the order in which the agent told them."""

        self.events: deque[Event] = deque(maxlen=EVENTS)
        self.hello: Hello | None = None
        self.seq = 0
        """Of the last ringed frame: where a returning reader goes on."""

        self.version = 0
        """Grows with each change, so that a screen knows whether to paint."""

        self.quarantined = 0
        """Records and details left out since nothing bound their slot."""

        self.gaps: deque[Gap] = deque(maxlen=EVENTS)
        self.sampled: float | None = None
        """The sender's clock at the newest sample."""

        self.heard: float | None = None
        """Our monotonic clock at the newest frame, less the age the frame brought."""

        self._listener = listener
        self._node_decoder = Decoder(NODE_FIELDS, NODE_KEYS)
        self._gpu_decoder = Decoder(GPU_FIELDS, GPU_KEYS)
        self._first_row = np.zeros(0, np.int64)
        """By slot, as the two that follow; UNBOUND where no facts came."""

        self._row_count = np.zeros(0, np.int64)
        self._row_room = np.zeros(0, np.int64)
        """Rows kept for it: as many GPUs as it ever had."""

        self._slot_of_row = np.zeros(0, np.int64)
        self._free_row = 0

    def apply(self, frame: Frame) -> None:
        """Take in one frame. A kind that is not known is passed over.

        Raises FrameError for a payload that is none of its kind, AgentIncompatible for a HELLO of
        another protocol; the store is then unchanged.
        """
        handler = _HANDLERS.get(frame.kind)
        if handler is not None:
            try:
                handler(self, frame)
            except (msgspec.DecodeError, RecursionError) as error:
                raise FrameError(f"a damaged {Kind(frame.kind).name} frame: {error}") from error
        self.heard = time.monotonic() - frame.age_ms / 1000
        if frame.seq:
            self.seq = frame.seq
        self.version += 1

    def rows(self, slot: int) -> range:
        """The rows of a node's GPUs."""
        if slot >= len(self._first_row):
            return range(0)
        first = int(self._first_row[slot])
        return range(first, first + int(self._row_count[slot]))

    def slot_of_row(self, row: int) -> int:
        """The slot of the node that a GPU row belongs to."""
        return int(self._slot_of_row[row])

    def slot_of_node(self, node: str) -> int | None:
        """The slot of the node with that id."""
        return next((slot for slot, facts in self.facts.items() if facts.node == node), None)

    @property
    def age(self) -> float | None:
        """Seconds since the stream last said anything; None before it did."""
        return None if self.heard is None else max(time.monotonic() - self.heard, 0.0)

    def _hello(self, frame: Frame) -> None:
        hello = msgspec.msgpack.decode(frame.payload, type=Hello)
        if abs(hello.protocol - PROTOCOL) > 1:
            raise AgentIncompatible(
                f"the agent speaks protocol {hello.protocol} (llmos {hello.version}), this console "
                f"protocol {PROTOCOL}: install the same llmos on both, then stop the older agent"
            )
        decoders = Decoder(hello.node_fields, NODE_KEYS), Decoder(hello.gpu_fields, GPU_KEYS)
        self._node_decoder, self._gpu_decoder = decoders
        if self.hello is None or hello.boot != self.hello.boot:
            self.seq = 0
            self.jobs.clear()  # those of another run's records, told anew behind this frame
        self.hello = hello

    def _facts(self, frame: Frame) -> None:
        facts = msgspec.msgpack.decode(frame.payload, type=Facts)
        if isinstance(facts, JobFacts):
            self.jobs[facts.job.id] = facts.job
        else:
            self._bind(facts)

    def _bind(self, facts: NodeFacts) -> None:
        """Give a node its rows; one that has more GPUs than ever before moves to new rows."""
        slot, wanted = facts.slot, self._rows_wanted(facts)
        self.nodes.grow(slot + 1)
        self._first_row = _extended(self._first_row, slot + 1, UNBOUND)
        self._row_count = _extended(self._row_count, slot + 1)
        self._row_room = _extended(self._row_room, slot + 1)
        if slot in self.facts and self.facts[slot].node != facts.node:
            self._forget(slot)
        if self._first_row[slot] == UNBOUND or wanted > self._row_room[slot]:
            self._move_rows(slot, wanted)
        self.gpus.clear(np.array(self.rows(slot)[wanted:], np.int64))
        self._row_count[slot] = wanted
        self.facts[slot] = facts

    def _rows_wanted(self, facts: NodeFacts) -> int:
        indices = [gpu.index for gpu in facts.gpus]
        wanted = max([len(indices), *(index + 1 for index in indices)])
        if not 0 <= facts.slot < NODES or min(indices, default=0) < 0:
            raise FrameError(f"{facts.hostname} claims slot {facts.slot} and GPUs {indices[:8]}")
        if wanted > GPUS_PER_NODE or self._free_row + wanted > ROWS:
            raise FrameError(f"{facts.hostname} claims {wanted} GPUs, the limit is {GPUS_PER_NODE}")
        return wanted

    def _forget(self, slot: int) -> None:
        """Another node has the slot now."""
        self.nodes.clear(np.array([slot], np.int64))
        self.gpus.clear(np.array(self.rows(slot), np.int64))
        self.details.pop(slot, None)

    def _move_rows(self, slot: int, wanted: int) -> None:
        first, room = int(self._first_row[slot]), int(self._row_room[slot])
        if not room or first + room < self._free_row:
            self.gpus.clear(np.array(self.rows(slot), np.int64))
            first = self._free_row
        self._first_row[slot], self._row_room[slot] = first, wanted
        self._free_row = first + wanted
        self.gpus.grow(self._free_row)
        self._slot_of_row = _extended(self._slot_of_row, self._free_row)
        self._slot_of_row[first : self._free_row] = slot

    def _sample(self, frame: Frame) -> None:
        node_bytes, gpu_bytes = split_sample(
            frame.payload, self._node_decoder.dtype.itemsize, self._gpu_decoder.dtype.itemsize
        )
        nodes = self._node_decoder.records(node_bytes)
        gpus = self._gpu_decoder.records(gpu_bytes)
        nodes = nodes[self._bound(nodes["slot"].astype(np.int64))]
        gpus = gpus[self._owned(gpus["slot"].astype(np.int64), gpus["index"].astype(np.int64))]
        node_rows = nodes["slot"].astype(np.int64)
        gpu_rows = self._first_row[gpus["slot"].astype(np.int64)] + gpus["index"]
        for field in self._node_decoder.fields:
            self.nodes.put(node_rows, field.name, self._node_decoder.values(nodes, field))
        for field in self._gpu_decoder.fields:
            self.gpus.put(gpu_rows, field.name, self._gpu_decoder.values(gpus, field))
        self.sampled = frame.wall
        self.node_history.add(self.nodes, frame.wall)
        self.gpu_history.add(self.gpus, frame.wall)

    def _bound(self, slots: Rows) -> Mask:
        bound = slots < len(self._first_row)
        bound[bound] = self._first_row[slots[bound]] != UNBOUND
        self.quarantined += int(np.count_nonzero(~bound))
        return bound

    def _owned(self, slots: Rows, indices: Rows) -> Mask:
        owned = slots < len(self._first_row)
        owned[owned] = indices[owned] < self._row_count[slots[owned]]
        self.quarantined += int(np.count_nonzero(~owned))
        return owned

    def _detail(self, frame: Frame) -> None:
        detail = msgspec.msgpack.decode(frame.payload, type=Detail)
        if detail.slot in self.facts:
            self.details[detail.slot] = detail
        else:
            self.quarantined += 1

    def _event(self, frame: Frame) -> None:
        event = msgspec.msgpack.decode(frame.payload, type=Event)
        self.events.append(event)
        self._listener(event)

    def _metric(self, frame: Frame) -> None:
        self._listener(msgspec.msgpack.decode(frame.payload, type=Metric))

    def _log(self, frame: Frame) -> None:
        self._listener(msgspec.msgpack.decode(frame.payload, type=LogPiece))

    def _gap(self, frame: Frame) -> None:
        self.gaps.append(msgspec.msgpack.decode(frame.payload, type=Gap))


def _extended(array: Rows, length: int, filling: int = 0) -> Rows:
    if length <= len(array):
        return array
    return np.concatenate([array, np.full(length - len(array), filling, np.int64)])


_HANDLERS: Final[dict[int, Callable[[Store, Frame], None]]] = {
    Kind.HELLO: Store._hello,
    Kind.SAMPLE: Store._sample,
    Kind.FACTS: Store._facts,
    Kind.EVENT: Store._event,
    Kind.METRIC: Store._metric,
    Kind.LOG: Store._log,
    Kind.GAP: Store._gap,
    Kind.DETAIL: Store._detail,
}
