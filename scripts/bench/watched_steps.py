"""The training run that `watched_cost` times: `watched_steps.py FOLDER STEPS WARM_UP`.

A small transformer under DistributedDataParallel on gloo, fed with random words. It says each step
as `engine.train` does, times the steps behind the warm-up, and stays until it may leave, so that
those who run it can be measured to the end.
"""

import sys
import time
from pathlib import Path
from typing import Final

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from llmos.engine.progress import Progress, own_progress

WIDTH: Final = 192
CONTEXT: Final = 64
BATCH: Final = 8
WORDS: Final = 512

LOOK: Final = 0.05
"""Seconds between looks whether it may leave."""


class Training:
    """A model and how it learns."""

    def __init__(self, steps: int, progress: Progress) -> None:
        layer = torch.nn.TransformerEncoderLayer(
            WIDTH, 4, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        network = torch.nn.Sequential(
            torch.nn.Embedding(WORDS, WIDTH),
            torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False),
            torch.nn.Linear(WIDTH, WORDS),
        )
        self._model = DistributedDataParallel(network)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=1e-3)
        self._steps = steps
        self._progress = progress

    def step(self, number: int) -> None:
        """Take one, and say so."""
        began = time.perf_counter()
        words = torch.randint(WORDS, (BATCH, CONTEXT + 1))
        ready = time.perf_counter()
        logits = self._model(words[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), words[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._progress.metric(
            number,
            self._steps,
            loss=loss.item(),
            grad_norm=norm.item(),
            tokens=BATCH * CONTEXT * dist.get_world_size(),
            dt=time.perf_counter() - began,
            t_data=ready - began,
        )
        if number % 10 == 0:
            print(f"step {number} of {self._steps}  loss {loss.item():.3f}")


def main(folder: Path, steps: int, warm_up: int) -> None:
    """Train; the first rank says when the clock started, and how long the steps took."""
    dist.init_process_group("gloo")
    torch.manual_seed(dist.get_rank())
    progress = own_progress()
    training = Training(steps, progress)
    for number in range(1, warm_up + 1):
        training.step(number)
    dist.barrier()
    if dist.get_rank() == 0:
        (folder / "began").touch()
    began = time.perf_counter()
    for number in range(warm_up + 1, steps + 1):
        training.step(number)
    dist.barrier()
    seconds = time.perf_counter() - began
    progress.close()
    if dist.get_rank() == 0:
        (folder / "seconds.new").write_text(str(seconds))
        (folder / "seconds.new").rename(folder / "seconds")
    while not (folder / "leave").exists():
        time.sleep(LOOK)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
