"""The stacks of a job's ranks as text, those of ranks at the same place once."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..agents.protocol.jobs import RankStacks
from .logtext import plain, ranks_said
from .widgets.glyphs import glyphs
from .widgets.pen import spoken

ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]+|(?<=Process )\d+|(?<=Thread )\d+")
"""What differs between two ranks at the same place."""


class Fold(NamedTuple):
    """Ranks that are at the same place."""

    ranks: list[int]
    heading: str
    text: str


def folded(stacks: Sequence[RankStacks]) -> list[Fold]:
    """Ranks with the same stacks as one, the fewest first: one looks for the odd one out."""
    alike: dict[tuple[str, str | None], list[RankStacks]] = {}
    for each in stacks:
        alike.setdefault((ADDRESS.sub("", each.text).strip(), each.method), []).append(each)
    groups = sorted(alike.values(), key=lambda group: (len(group), group[0].rank))
    return [_fold(group) for group in groups]


def _fold(group: Sequence[RankStacks]) -> Fold:
    ranks = sorted(each.rank for each in group)
    pids = ranks_said(each.pid for each in group)
    said = [f"rank {ranks[0]}", f"pid {pids}"]
    if len(group) > 1:
        said = [f"ranks {ranks_said(ranks)} ×{len(ranks)}", f"pids {pids}"]
    said.append(_states(Counter(each.state for each in group)))
    said += [f"by {group[0].method}"] if group[0].method else []
    return Fold(ranks, spoken(" · ".join(said), glyphs()), plain(group[0].text).rstrip())


def _states(states: Counter[str]) -> str:
    if len(states) == 1:
        return next(iter(states))
    ranks = states.total()
    return ", ".join(f"{count} of {ranks} {state}" for state, count in states.most_common())
