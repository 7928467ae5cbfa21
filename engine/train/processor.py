"""What this rank computes on: device, number format, threads, and the group it belongs to."""

import ctypes
import os
from typing import Final

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
"""Of glibc's <malloc.h>."""

MOST_AT_ONCE: Final = 2**31 - 1
"""Bytes; the most that mallopt can be told."""


def new_accelerator(precision: str) -> Accelerator:
    """Joins the ranks' process group (NCCL on GPUs, gloo on CPUs) and sets the processor up."""
    on_cpu = not torch.cuda.is_available()
    if on_cpu:
        _set_up_cpu()
        _keep_freed_memory()
    return Accelerator(
        cpu=on_cpu,
        mixed_precision="bf16" if _wants_bf16(precision, on_cpu) else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
    )


def _set_up_cpu() -> None:
    """Shares the cores among this node's ranks, which otherwise take all, or one each.

    Numbers too small to be normal are taken as zero: late in training they make a step several
    times slower and change nothing. Ranks of one node meet on the loopback: gloo would look the
    host's own name up, which on a machine without a network leads nowhere.
    """
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if os.environ.get("WORLD_SIZE", "1") == str(ranks):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    threads = max(len(os.sched_getaffinity(0)) // ranks, 1)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def _keep_freed_memory() -> None:
    """Keeps what a step frees for the next one, which wants the same sizes again.

    glibc gives large blocks back to the kernel, which fills them with zeros when they are asked
    for again: of a small model's step on a CPU that was a fifth. Other C libraries are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MOST_AT_ONCE)
        mallopt(M_TRIM_THRESHOLD, MOST_AT_ONCE)


def _wants_bf16(precision: str, on_cpu: bool) -> bool:
    if precision != "auto":
        return precision == "bf16"
    if not on_cpu:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Without these instructions bf16 is emulated, and slower than fp32.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
