"""One node as JSON: facts and figures in one flat object, null where not known.

The schema of `llmos top --once --json`, of `GET /v1/nodes` and of the JSON stream. Units are those
of the tables in `fields` and of the docstrings in `facts`; `age` is in seconds.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from .facts import GpuFacts, NodeFacts
from .fields import GPU_FIELDS, GPU_STATES, NODE_FIELDS, Value, throttle_reasons

SCHEMA: Final = 1

Figures = Mapping[str, Value]


def node_snapshot(
    facts: NodeFacts, figures: Figures, gpus: Iterable[Figures], age: float | None
) -> dict[str, Any]:
    """One node: what it is, its newest figures, its GPUs by row."""
    node: dict[str, Any] = msgspec.to_builtins(facts)
    del node["what"], node["slot"]
    by_row = {record["index"]: record for record in gpus}
    node["gpus"] = [_gpu(gpu, by_row.get(gpu.index, {})) for gpu in facts.gpus]
    for field in NODE_FIELDS[1:]:
        node[field.name] = figures.get(field.name)
    node["age"] = None if age is None else round(age, 3)
    return node


def _gpu(facts: GpuFacts, figures: Figures) -> dict[str, Any]:
    gpu: dict[str, Any] = msgspec.to_builtins(facts)
    for field in GPU_FIELDS[3:]:
        gpu[field.name] = figures.get(field.name)
    state, throttle = figures.get("state"), figures.get("throttle")
    gpu["state"] = None if state is None else GPU_STATES[int(state)]
    gpu["throttle"] = None if throttle is None else throttle_reasons(int(throttle))
    return gpu
