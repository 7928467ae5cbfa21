"""Which GPUs are free, and who has the others."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.agents.node.jobs import occupancy as room
from llmos.agents.node.jobs.occupancy import SMALL_MEMORY, GpuUse, occupancy
from llmos.agents.node.task.leases import Leases
from llmos.agents.protocol.facts import GpuFacts
from llmos.agents.samplers.gpu_processes import GpuProcess

GPU = GpuFacts(index=0, uuid="GPU-a")


@pytest.fixture
def leases(tmp_path: Path) -> Leases:
    return Leases(tmp_path / "leases")


@pytest.fixture
def stranger() -> Iterator[int]:
    """The pid of a process that runs."""
    process = subprocess.Popen(["sleep", "600"])
    yield process.pid
    process.kill()
    process.wait()


def use(
    leases: Leases,
    *processes: GpuProcess,
    gpu: GpuFacts = GPU,
    state: str | None = "ok",
    ours: dict[int, str] | None = None,
) -> GpuUse:
    """What becomes of one GPU."""
    on_gpu = [(gpu.index, process) for process in processes]
    (found,) = occupancy([gpu], {gpu.index: state}, on_gpu, ours or {}, leases)
    return found


def test_a_gpu_that_nobody_uses_is_free(leases: Leases) -> None:
    assert use(leases) == GpuUse(row=0, uuid="GPU-a")
    assert use(leases, state="slow").holder is None


@pytest.mark.parametrize(
    ("state", "why"),
    [("lost", "lost"), ("hung", "hung"), ("failed", "failing"), (None, "not known yet")],
)
def test_a_gpu_in_trouble_is_not_free(leases: Leases, state: str | None, why: str) -> None:
    assert use(leases, state=state).holder == why


def test_a_gpu_without_a_uuid_is_not_free(leases: Leases) -> None:
    assert use(leases, gpu=GpuFacts(index=0)).holder == "without a UUID"
    odd = use(leases, gpu=GpuFacts(index=0, uuid="MIG-GPU-a/1/0"))
    assert odd.holder is not None
    assert odd.holder.startswith("not to be leased: 'MIG-GPU-a/1/0' is no UUID")


def test_a_large_process_has_the_gpu(leases: Leases, stranger: int) -> None:
    found = use(leases, GpuProcess(stranger, SMALL_MEMORY, "compute"))
    assert found.holder == f"held by pid {stranger}, uid {os.getuid()}"
    assert found.sharing == ()


def test_what_a_process_has_is_much_if_it_is_not_known(leases: Leases, stranger: int) -> None:
    assert use(leases, GpuProcess(stranger, None, "both")).holder is not None


def test_of_several_large_processes_the_largest_is_named(leases: Leases, stranger: int) -> None:
    mine, parent = os.getpid(), os.getppid()
    found = use(
        leases,
        GpuProcess(mine, 900, "compute"),
        GpuProcess(stranger, 1000, "compute"),
        GpuProcess(parent, None, "compute"),
    )
    assert found.holder == f"held by pid {stranger}, uid {os.getuid()} and 2 others"


def test_graphics_and_small_processes_share(leases: Leases, stranger: int) -> None:
    found = use(
        leases,
        GpuProcess(stranger, 5000, "graphics"),
        GpuProcess(stranger, SMALL_MEMORY - 1, "compute"),
        GpuProcess(stranger, None, "graphics"),
    )
    assert found.holder is None
    assert found.sharing == (
        f"sleep, pid {stranger}, 5000 MiB",
        f"sleep, pid {stranger}, 511 MiB",
        f"sleep, pid {stranger}",
    )


def test_a_process_that_has_ended_is_not_in_the_way(
    leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    seen = GpuProcess(ended.pid, 9000, "compute")
    monkeypatch.setattr(room, "_namespace", lambda: room.FIRST_NAMESPACE)
    assert use(leases, seen).holder is None
    monkeypatch.setattr(room, "_namespace", lambda: "pid:[1]")
    assert use(leases, seen).holder == f"held by pid {ended.pid}"


def test_a_rank_of_ours_has_the_gpu_for_its_job(leases: Leases, stranger: int) -> None:
    rank = GpuProcess(os.getpid(), 1, "compute")
    found = use(leases, rank, GpuProcess(stranger, 7000, "compute"), ours={os.getpid(): "12"})
    assert found.holder == "held by job 12"
    assert found.sharing == (f"sleep, pid {stranger}, 7000 MiB",)


def test_a_lease_of_ours_is_its_job_s(leases: Leases, stranger: int) -> None:
    lease = leases.take(["GPU-a"], "12")
    assert lease is not None
    assert use(leases).holder == "held by job 12"
    lease.name(stranger)
    assert use(leases, ours={stranger: "12"}).holder == "held by job 12"
    lease.release()


def test_a_lease_of_another_agent_is_a_stranger_s(leases: Leases, stranger: int) -> None:
    """Also where that agent numbers a job of its own as we number one of ours."""
    lease = leases.take(["GPU-a"], "12")
    assert lease is not None
    lease.name(stranger)
    rank = GpuProcess(os.getpid(), 60_000, "compute")
    found = use(leases, rank, ours={1: "12"})
    assert found.holder == f"held by pid {stranger}, uid {os.getuid()}"
    assert found.sharing == ()
    assert use(leases, rank, ours={os.getpid(): "3"}).holder == found.holder
    lease.release()


def test_a_lease_whose_holder_is_gone_is_still_held(leases: Leases) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    lease = leases.take(["GPU-a"], "12")
    assert lease is not None
    lease.name(gone.pid)
    left = f"held by what is left of pid {gone.pid}, uid {os.getuid()}"
    assert use(leases).holder == left
    assert use(leases, ours={1: "12"}).holder == "held by job 12"
    (leases.folder / "GPU-a").write_bytes(b"")
    assert use(leases).holder == "held by an unknown process"
    lease.release()


def test_a_folder_that_cannot_be_used_leaves_no_gpu_free(leases: Leases) -> None:
    leases.folder.write_text("")
    holder = use(leases).holder
    assert holder is not None
    assert holder.startswith("not to be leased: the folder for GPU leases")


def test_instances_of_a_divided_gpu_take_its_place(leases: Leases) -> None:
    gpus = [
        GpuFacts(index=0, uuid="GPU-a", mig=True),
        GpuFacts(index=1, uuid="GPU-b", mig=False),
        GpuFacts(index=2, uuid="GPU-c", mig=True),
        GpuFacts(index=3, uuid="MIG-d", parent=0),
        GpuFacts(index=4, uuid="MIG-e", parent=0),
    ]
    states: dict[int, str | None] = {0: "ok", 1: "ok", 2: "ok", 3: "ok"}
    found = occupancy(gpus, states, [(4, GpuProcess(1, 1, "compute"))], {}, leases)
    assert [(gpu.row, gpu.uuid, gpu.holder) for gpu in found] == [
        (1, "GPU-b", None),
        (3, "MIG-d", None),
        (4, "MIG-e", "not known yet"),
    ]
