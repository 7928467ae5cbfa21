"""A program that prints what the samplers show, a line of JSON twenty times a second.

The NVML library must be found by the linker when a process starts, so the tests start this one. It
ends as an agent does, when its input ends: it closes the samplers and returns.
"""

import json
import select
import sys
from typing import TYPE_CHECKING

import msgspec

from llmos.agents.protocol.fields import GPU_STATES, Value
from llmos.agents.samplers.collection import Collection
from llmos.agents.samplers.nvml import NvmlSampler
from llmos.agents.samplers.processes import ProcessSampler

if TYPE_CHECKING:
    from llmos.agents.protocol.events import Event


def named(row: dict[str, Value]) -> dict[str, Value | str]:
    state = row["state"]
    return {**row, "state": None if state is None else GPU_STATES[int(state)]}


def main() -> None:
    jobs = {int(pid): (job, rank) for pid, job, rank in json.loads(sys.argv[1])}
    events: list[Event] = []
    nvml = NvmlSampler(events.append, retry=0.2)
    collection = Collection([nvml, ProcessSampler(nvml.processes, lambda: jobs)], interval=0.1)
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        rows = [named(row) for row in collection.sample().gpus]
        shown = {
            "rows": rows,
            "facts": collection.facts(0, "node"),
            "processes": collection.detail(0).processes,
            "events": list(events),
        }
        sys.stdout.buffer.write(msgspec.json.encode(shown) + b"\n")
        sys.stdout.flush()
    collection.close()


main()
