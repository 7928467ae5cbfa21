"""A transformers callback that tells llmos how a training run goes.

    Trainer(…, callbacks=[LlmosCallback()])

Costs some microseconds a step and never waits for the GPU. Outside llmos it does nothing.
"""

import time
from pathlib import Path
from typing import Any, Final

from transformers.trainer_callback import TrainerCallback, TrainerControl, TrainerState
from transformers.training_args import TrainingArguments

from .progress import Progress, Value, own_progress

TRAIN: Final = "train"
EVALUATE: Final = "evaluate"
SAVE: Final = "save"

ONLY_AT_THE_END: Final = "train_loss"
"""The key by which the Trainer's last words are told from those on the way."""


class LlmosCallback(TrainerCallback):
    """Writes each step's figures, the phases, and the results at the end.

    A step's `dt` is from the end of the step before, or of what came between, to its own; `t_data`
    of it was spent on waiting for the batch. Both in seconds, by the host's clock. `loss`,
    `grad_norm` and `learning_rate` come as often as the Trainer logs them; `tokens`, of all ranks,
    where it counts them (`include_num_input_tokens_seen`).
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = own_progress() if progress is None else progress
        self._writes = self._progress.writes
        self._phase: str | None = None
        self._figures: dict[str, Value] = {}
        self._results: dict[str, Value] = {}
        self._training = False
        self._step = 0
        self._steps: int | None = None
        self._tokens: float = 0
        self._mark = 0.0
        """When the last step, or what followed it, was over."""

        self._data = 0.0
        """Seconds waited for the batch of this step."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Training begins, perhaps in the middle."""
        if self._writes:
            self._steps = state.max_steps or None
            self._tokens = state.num_input_tokens_seen
            self._training = True
            self._enter(TRAIN)
            self._mark = time.perf_counter()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The batch is there."""
        if self._writes:
            self._tell()
            self._enter(TRAIN)
            self._data = time.perf_counter() - self._mark

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The step is done; what the Trainer logs of it follows."""
        if not self._writes:
            return
        now = time.perf_counter()
        self._step = state.global_step
        self._figures = {"dt": now - self._mark, "t_data": self._data}
        self._mark = now
        if (seen := state.num_input_tokens_seen) > self._tokens:
            self._figures["tokens"] = seen - self._tokens
            self._tokens = seen
        if not control.should_log:
            self._before_save(control)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Saving once an epoch begins here."""
        if self._writes and not control.should_log:
            self._before_save(control)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Figures of the last step, of an evaluation, or of the whole run."""
        if not self._writes or not logs:
            return
        if ONLY_AT_THE_END in logs:
            self._results.update(_figures(logs))
            return
        self._step = state.global_step
        self._figures.update(_figures(logs))
        self._before_save(control)

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The first one is all that tells of the beginning of an evaluation."""
        if self._writes and self._phase != EVALUATE:
            self._enter(EVALUATE)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """An evaluation is over; outside training its figures are results."""
        if not self._writes:
            return
        self._tell()
        self._mark = time.perf_counter()
        self._results.update(_figures(metrics or {}))
        if not self._training:
            self._conclude()
        self._before_save(control)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """A checkpoint is complete."""
        if not self._writes:
            return
        self._mark = time.perf_counter()
        folder = Path(args.output_dir or ".", f"checkpoint-{state.global_step}")
        if state.is_world_process_zero and folder.is_dir():
            self._progress.artifact("checkpoint", folder)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The Trainer's figures of the whole run, and of the last evaluation, are the results."""
        if self._writes:
            self._tell()
            self._training = False
            self._conclude()

    def _before_save(self, control: TrainerControl) -> None:
        """What follows is a checkpoint, unless an evaluation comes first."""
        if control.should_save and not control.should_evaluate:
            self._enter(SAVE)

    def _enter(self, phase: str) -> None:
        if phase != self._phase:
            self._tell()
            self._phase = phase
            self._progress.phase(phase)

    def _tell(self) -> None:
        """The figures of a step, once nothing more will be said of it."""
        if self._figures:
            self._progress.metric(self._step, self._steps, **self._figures)
            self._figures = {}

    def _conclude(self) -> None:
        for name, value in self._results.items():
            self._progress.result(name, value)
        self._results = {}


def _figures(said: dict[str, Any]) -> dict[str, Value]:
    """The numbers in what the Trainer logs; not under the names that a line has for its place."""
    return {
        name: value
        for name, value in said.items()
        if not isinstance(value, str | dict | list) and name not in ("what", "t", "step", "steps")
    }
