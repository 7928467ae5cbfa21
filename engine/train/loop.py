"""The training loop: batches in, losses out. Knows nothing of what is learned."""

import contextlib
import math
import time
from typing import Any, Final

import torch
from accelerate import Accelerator

from ..progress import Progress
from .divergence import Watch
from .epochs import Epochs
from .spec import Train
from .work import Batch, Work

FLOOR: Final = 0.1
"""The learning rate's share of its peak at the end: Hoffmann et al. 2022, "Training
Compute-Optimal Large Language Models", who let it fall to a tenth along a cosine."""

BETAS: Final = (0.9, 0.95)
"""Of AdamW, as language models are trained since GPT-3 (Brown et al. 2020, appendix B)."""


def learning_rate(step: int, train: Train) -> float:
    """The rate of a step, counted from 0: up in a line, then down along a cosine."""
    warmup = round(train.steps * train.warmup)
    if step < warmup:
        return train.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(train.steps - warmup, 1)
    return train.learning_rate * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * done)) / 2)


def new_optimizer(model: torch.nn.Module, train: Train) -> torch.optim.Optimizer:
    """AdamW that decays matrices and leaves biases and norms alone."""
    weights = [w for w in model.parameters() if w.requires_grad]
    groups = [
        {"params": [w for w in weights if w.dim() >= 2], "weight_decay": train.weight_decay},
        {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=train.learning_rate, betas=BETAS, fused=True)


def run_steps(
    model: torch.nn.Module,
    work: Work,
    train: Train,
    accelerator: Accelerator,
    progress: Progress,
) -> None:
    """All the steps of the spec on a prepared model; each is reported when it is done.

    Raises:
        LaunchError: the loss diverges, whatever is done.
    """
    ranks = accelerator.num_processes
    batches = work.batches(accelerator.process_index, ranks)
    optimizer = new_optimizer(model, train)
    watch = Watch(model, optimizer, accelerator)
    epochs = Epochs(work, train, accelerator, progress)
    model.train()
    for step in range(train.steps):
        began = time.perf_counter()
        batch = {name: value.to(accelerator.device) for name, value in next(batches).items()}
        ready = time.perf_counter()
        rate = learning_rate(step, train)
        loss, norm = _update(model, work, optimizer, batch, rate, train, accelerator)
        figures = {"loss": loss.item(), "grad_norm": norm.item(), "learning_rate": rate}
        progress.metric(
            step + 1,
            train.steps,
            **figures,
            **work.counted(batch, ranks),
            dt=time.perf_counter() - began,
            t_data=ready - began,
            **_memory(accelerator.device),
        )
        if accelerator.is_main_process and (step + 1) % max(train.steps // 10, 1) == 0:
            print(f"step {step + 1} of {train.steps}  loss {figures['loss']:.3f}")
        went_back = watch.after(step + 1, figures["loss"], figures["grad_norm"])
        if went_back and accelerator.is_main_process:
            print(went_back, flush=True)
        if epochs.after(step + 1, figures["loss"]):
            break
    epochs.finish()


def _update(
    model: torch.nn.Module,
    work: Work,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    rate: float,
    train: Train,
    accelerator: Accelerator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One step; this rank's loss and the gradient's norm."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    parts = _parts(batch, train.accumulate)
    losses = []
    for number, part in enumerate(parts, 1):
        # The ranks add their gradients up once, with the last part.
        alone = number < len(parts)
        with accelerator.no_sync(model) if alone else contextlib.nullcontext():
            loss = work.loss(model, part) / len(parts)
            accelerator.backward(loss)
        losses.append(loss.detach())
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), train.clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return (losses[0] if len(losses) == 1 else torch.stack(losses).sum()), norm


def _parts(batch: Batch, number: int) -> list[Batch]:
    """The batch in parts of one size, so that the mean of their means is the batch's."""
    if number == 1:
        return [batch]
    cut = {name: value.chunk(number) for name, value in batch.items()}
    return [{name: values[part] for name, values in cut.items()} for part in range(number)]


def _memory(device: torch.device) -> dict[str, Any]:
    """The most that was allocated on a GPU, in bytes; nothing on a CPU, where nobody counts."""
    return {"mem": torch.cuda.max_memory_allocated(device)} if device.type == "cuda" else {}
