"""The training loop: batches in, losses out. Knows nothing of where the text came from."""

import math
import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch.nn import functional

from ..progress import Progress
from .spec import Train

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
    weights = list(model.parameters())
    groups = [
        {"params": [w for w in weights if w.dim() >= 2], "weight_decay": train.weight_decay},
        {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=train.learning_rate, betas=BETAS, fused=True)


def run_steps(
    model: torch.nn.Module,
    batches: Iterator[NDArray[np.int64]],
    train: Train,
    accelerator: Accelerator,
    progress: Progress,
) -> None:
    """All the steps of the spec on a prepared model; each is reported when it is done."""
    optimizer = new_optimizer(model, train)
    model.train()
    for step in range(train.steps):
        began = time.perf_counter()
        batch = torch.from_numpy(next(batches)).to(accelerator.device)
        ready = time.perf_counter()
        rate = learning_rate(step, train)
        loss, norm = _update(model, optimizer, batch, rate, train.clip, accelerator)
        tokens = (batch.numel() - len(batch)) * accelerator.num_processes
        figures = {"loss": loss.item(), "grad_norm": norm.item(), "learning_rate": rate}
        progress.metric(
            step + 1,
            train.steps,
            **figures,
            tokens=tokens,
            dt=time.perf_counter() - began,
            t_data=ready - began,
            **_memory(accelerator.device),
        )
        if accelerator.is_main_process and (step + 1) % max(train.steps // 10, 1) == 0:
            print(f"step {step + 1} of {train.steps}  loss {figures['loss']:.3f}")


def _update(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: torch.Tensor,
    rate: float,
    clip: float,
    accelerator: Accelerator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One step on int64 [windows, context + 1]; this rank's loss and the gradient's norm."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    logits = model(batch[:, :-1], use_cache=False).logits
    loss = functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
    accelerator.backward(loss)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.detach(), norm


def _memory(device: torch.device) -> dict[str, Any]:
    """The most that was allocated on a GPU, in bytes; nothing on a CPU, where nobody counts."""
    return {"mem": torch.cuda.max_memory_allocated(device)} if device.type == "cuda" else {}
