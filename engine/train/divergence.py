"""Leads training back when it diverges: to the last good state, past the batches that did it.

A step has diverged when the gradient is no number, which all ranks see alike, since they share it;
or when losses are far above both what came before and that of untrained weights, of which the
ranks tell each other every few steps, since each sees its own.
"""

import copy
import math
import statistics
from collections import deque
from typing import Any, Final

import torch
from accelerate import Accelerator

from ...agents.errors import LaunchError

CHECK: Final = 10
"""Steps after which the ranks tell each other: a word between them costs as much as a small step's
hundredth."""

KEEP: Final = 50
"""Steps after which a state that is good so far is kept."""

SPIKE: Final = 2.0
"""Times the median of the last losses."""

ABOVE_FIRST: Final = 1.5
"""Times the first loss. A model that has learned well may miss one batch badly; it does not
become worse than one that has learned nothing."""

ENOUGH: Final = 3
"""Such losses among the last CHECK of a rank. One alone is a batch of hard samples: of 16 reviews,
with a mean loss of 0.3, one in some hundred batches."""

MOST: Final = 5
"""Returns, then the job fails: it would go on for ever."""


class Watch:
    """Looks at every step of one rank."""

    def __init__(
        self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, accelerator: Accelerator
    ) -> None:
        self._weights = [weights for weights in model.parameters() if weights.requires_grad]
        self._optimizer, self._accelerator = optimizer, accelerator
        self._losses: deque[float] = deque(maxlen=KEEP)
        self._first: float | None = None
        self._spikes = self._returns = 0
        self._keep(0)

    def after(self, step: int, loss: float, norm: float) -> str | None:
        """Called after every step on every rank, steps from 1; says it where training went back.

        Raises:
            LaunchError: it diverged too often.
        """
        if not math.isfinite(norm):
            return self._return(step, "the gradient is no number")
        self._spikes += self._is_spike(loss)
        self._losses.append(loss)
        if step % CHECK == 0:
            if self._anywhere():
                return self._return(step, f"the loss has jumped, to {max(self._losses):.3g} here")
            self._spikes = 0
        if step % KEEP == 0:
            self._keep(step)
        return None

    def _is_spike(self, loss: float) -> bool:
        if self._first is None:
            self._first = loss
        if len(self._losses) < CHECK:
            return False
        usual = statistics.median(self._losses)
        return not loss <= max(SPIKE * usual, ABOVE_FIRST * self._first)

    def _anywhere(self) -> bool:
        if self._accelerator.num_processes == 1:
            return self._spikes >= ENOUGH
        diverged = float(self._spikes >= ENOUGH)
        everywhere = torch.tensor(diverged, device=self._accelerator.device)
        return bool(self._accelerator.reduce(everywhere, reduction="sum").item() > 0)

    def _keep(self, step: int) -> None:
        state: dict[str, Any] = self._optimizer.state_dict()
        weights = [weights.detach().clone() for weights in self._weights]
        self._good = step, weights, copy.deepcopy(state)

    def _return(self, step: int, why: str) -> str:
        self._returns += 1
        if self._returns > MOST:
            raise LaunchError(
                f"training diverged {self._returns} times, last at step {step}: {why}; "
                "lower $.train.learning_rate"
            )
        kept, weights, state = self._good
        with torch.no_grad():
            for own, good in zip(self._weights, weights, strict=True):
                own.copy_(good)
        # A copy: load_state_dict takes the tensors themselves, and the next step changes them.
        self._optimizer.load_state_dict(copy.deepcopy(state))
        self._losses.clear()
        self._spikes = 0
        return (
            f"step {step}: {why}; back to the weights of step {kept}, "
            f"and the batches of steps {kept + 1} to {step} are skipped"
        )
