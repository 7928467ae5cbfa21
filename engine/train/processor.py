"""What this rank computes on: device, number format, threads, and the group it belongs to."""

import os

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs


def new_accelerator(precision: str) -> Accelerator:
    """Joins the ranks' process group (NCCL on GPUs, gloo on CPUs) and sets the processor up."""
    on_cpu = not torch.cuda.is_available()
    if on_cpu:
        _set_up_cpu()
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


def _wants_bf16(precision: str, on_cpu: bool) -> bool:
    if precision != "auto":
        return precision == "bf16"
    if not on_cpu:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Without these instructions bf16 is emulated, and slower than fp32.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
