"""What is done at the end of each pass over the training data: validation, and an early end."""

import torch
from accelerate import Accelerator

from ..progress import Progress
from .spec import Train
from .work import Work

BETTER_BY: str = "val_accuracy"
"""The figure by which epochs are compared."""


class Epochs:
    """Looks at every step of one rank, and validates at the end of each epoch."""

    def __init__(
        self, work: Work, train: Train, accelerator: Accelerator, progress: Progress
    ) -> None:
        self._work, self._train = work, train
        self._accelerator, self._progress = accelerator, progress
        self._losses: list[float] = []
        self._best = float("-inf")
        self._best_epoch = 0
        self._best_weights: list[torch.Tensor] = []

    def after(self, step: int, loss: float) -> bool:
        """Called after every step on every rank, steps from 1.

        Returns:
            Whether training shall end, on all ranks alike.
        """
        self._losses.append(loss)
        ends = step % self._work.steps_per_epoch == 0 or step == self._train.steps
        if not ends:
            return False
        figures = self._work.validate()
        if not figures and not self._train.epochs:
            self._losses.clear()
            return False
        epoch = -(-step // self._work.steps_per_epoch)
        self._say(step, epoch, {"train_loss": self._mean_loss()} | figures)
        return bool(figures and self._train.patience) and self._is_enough(epoch, figures[BETTER_BY])

    def finish(self) -> None:
        """Takes the best epoch's weights, where an early end was asked for."""
        if self._best_weights:
            with torch.no_grad():
                for own, best in zip(
                    self._work.model.parameters(), self._best_weights, strict=True
                ):
                    own.copy_(best)
            if self._accelerator.is_main_process:
                print(f"the weights are those of epoch {self._best_epoch}, the best")

    def _is_enough(self, epoch: int, figure: float) -> bool:
        if figure > self._best:
            self._best, self._best_epoch = figure, epoch
            self._best_weights = [w.detach().clone() for w in self._work.model.parameters()]
        enough = epoch - self._best_epoch >= self._train.patience
        if enough and self._accelerator.is_main_process:
            print(f"no better than in epoch {self._best_epoch} since: training ends")
        return enough

    def _mean_loss(self) -> float:
        mean = torch.tensor(sum(self._losses) / len(self._losses), device=self._accelerator.device)
        self._losses.clear()
        return float(self._accelerator.reduce(mean, reduction="mean").item())

    def _say(self, step: int, epoch: int, figures: dict[str, float]) -> None:
        self._progress.metric(step, self._train.steps, epoch=epoch, **figures)
        # Before another line nothing is held back, so no epoch's figures are thinned out.
        self._progress.phase("training")
        if self._accelerator.is_main_process:
            told = "  ".join(
                f"{name.replace('val_', 'validation ').replace('_', ' ')} {value:.4f}"
                for name, value in figures.items()
            )
            print(f"epoch {epoch}  {told}", flush=True)
