"""One rank of a training run as others write it: a bare loop, accelerate's, or Trainer.

    python training_loops.py NAME CORPUS OUT, with SPEC in the environment

All take model, optimizer, schedule and windows of text from `llmos.engine.train`, so that nothing
but the loop differs. OUT gets the seconds of the steps after the warm-up.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import torch
from torch.nn import functional

from llmos.engine.train.corpus import Corpus, batches, load
from llmos.engine.train.loop import learning_rate, new_optimizer
from llmos.engine.train.model import new_model
from llmos.engine.train.processor import _set_up_cpu, _wants_bf16
from llmos.engine.train.spec import Train
from llmos.engine.train.tokenizer import end_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WARM_UP: Final = 30
"""Steps before the clock starts."""

RANK: Final = int(os.environ.get("RANK", "0"))
RANKS: Final = int(os.environ.get("WORLD_SIZE", "1"))


class Clock:
    """Seconds from the end of the warm-up to the last step."""

    def __init__(self, steps: int) -> None:
        self._steps, self._began = steps, 0.0
        self.seconds = 0.0

    def after(self, step: int) -> None:
        """Called after each step, counted from 1."""
        if step == WARM_UP:
            self._began = time.perf_counter()
        if step == self._steps:
            self.seconds = time.perf_counter() - self._began


def main() -> None:
    """Run the loop that is named, and leave its seconds in a file."""
    name, corpus, out = sys.argv[1:]
    _set_up_cpu()
    train = msgspec.json.decode(os.environ["SPEC"], type=Train)
    torch.manual_seed(train.seed)
    read = load(Path(corpus))
    model: Any = new_model(train.model, read.vocabulary, end_token(read.tokenizer))
    model.train()
    clock = Clock(train.steps)
    LOOPS[name](model, read, train, clock)
    if RANK == 0:
        Path(out).write_text(json.dumps({"seconds": clock.seconds}))
    sys.stdout.flush()
    os._exit(0)  # what gloo leaves behind is not what is measured


def windows(corpus: Corpus, train: Train) -> Iterator[torch.Tensor]:
    """This rank's share: int64 [batch / ranks, context + 1]."""
    own = batches(corpus.training, train.model.context, train.batch, train.seed, RANK, RANKS)
    return map(torch.from_numpy, own)


def loss_of(model: Any, window: torch.Tensor) -> torch.Tensor:
    """The mean cross entropy."""
    logits = model(window[:, :-1], use_cache=False).logits
    return functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())


def bare(model: Any, corpus: Corpus, train: Train, clock: Clock) -> None:
    """What there is to do in a step, and nothing else."""
    if RANKS > 1:
        torch.distributed.init_process_group("gloo")
        model = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    optimizer = new_optimizer(model, train)
    own = windows(corpus, train)
    bf16 = _wants_bf16(train.precision, on_cpu=True)
    for step in range(train.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, train)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = loss_of(model, next(own))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), train.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        clock.after(step + 1)


def with_accelerate(model: Any, corpus: Corpus, train: Train, clock: Clock) -> None:
    """The loop of accelerate's own introduction."""
    from accelerate import Accelerator

    bf16 = _wants_bf16(train.precision, on_cpu=True)
    accelerator = Accelerator(cpu=True, mixed_precision="bf16" if bf16 else "no")
    optimizer = new_optimizer(model, train)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _share_of(train))
    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    own = windows(corpus, train)
    for step in range(train.steps):
        loss = loss_of(model, next(own))
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), train.clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        clock.after(step + 1)


def with_trainer(model: Any, corpus: Corpus, train: Train, clock: Clock) -> None:
    """transformers' Trainer, its figures logged every ten steps and nothing saved."""
    from torch.utils.data import IterableDataset
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Windows(IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
            for window in batches(corpus.training, train.model.context, train.batch, 0, 0, 1):
                for row in torch.from_numpy(window):
                    yield {"input_ids": row[:-1], "labels": row[:-1]}

    class Told(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.after(state.global_step)

    optimizer = new_optimizer(model, train)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _share_of(train))
    arguments = TrainingArguments(
        output_dir=os.environ["TMPDIR"],
        max_steps=train.steps,
        per_device_train_batch_size=train.batch // RANKS,
        max_grad_norm=train.clip,
        bf16=_wants_bf16(train.precision, on_cpu=True),
        use_cpu=True,
        logging_steps=10,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        ddp_backend="gloo" if RANKS > 1 else None,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Windows(),
        optimizers=(optimizer, schedule),
        callbacks=[Told()],
    )
    trainer.train()


def _share_of(train: Train) -> Callable[[int], float]:
    return lambda step: learning_rate(min(step, train.steps - 1), train) / train.learning_rate


LOOPS: Final[dict[str, Callable[[Any, Corpus, Train, Clock], None]]] = {
    "bare loop": bare,
    "accelerate": with_accelerate,
    "Trainer": with_trainer,
}

if __name__ == "__main__":
    main()
