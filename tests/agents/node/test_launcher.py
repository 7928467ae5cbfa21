"""Commands and environments of ranks; torch's own parser is asked what it understands."""

import socket
import sys
from pathlib import Path

import pytest

from llmos.agents.node import launcher
from llmos.agents.node.taskfolder import TaskFolder
from llmos.agents.protocol.jobs import JobRequest, Program, TaskOrder

FOLDER = TaskFolder(Path("/state/run/7/a2"))


def order(ranks: int = 1, gpus: tuple[str, ...] = (), **program: object) -> TaskOrder:
    made = Program(arguments=["-m", "some.module", "--max-restarts=9"], **program)  # type: ignore[arg-type]
    request = JobRequest(kind="command", name="x", program=made)
    return TaskOrder(
        job="7", attempt=2, user="u", created=0.0, request=request, ranks=ranks, gpus=list(gpus)
    )


def test_torch_understands_the_command():
    run = pytest.importorskip("torch.distributed.run")
    command = launcher.command(order(ranks=3), FOLDER, {})
    assert command.arguments[:3] == [sys.executable, "-m", "torch.distributed.run"]
    given = run.parse_args(command.arguments[3:])
    assert given.nproc_per_node == "3"
    assert (given.rdzv_backend, given.rdzv_id) == ("static", "7.2")
    assert (given.master_addr, given.local_addr) == ("127.0.0.1", "127.0.0.1")
    assert given.max_restarts == 0
    assert given.log_dir == "/state/run/7/a2/elastic"
    assert Path(given.training_script).name == "rank.py"
    assert given.training_script_args == ["-m", "some.module", "--max-restarts=9"]


def test_a_plain_program_is_one_rank_of_one():
    command = launcher.command(order(launcher="plain", python="/opt/python"), FOLDER, {})
    assert command.arguments[:2] == ["/opt/python", "-u"]
    assert command.arguments[3:] == ["-m", "some.module", "--max-restarts=9"]
    assert command.environment["RANK"] == command.environment["LOCAL_RANK"] == "0"
    assert command.environment["WORLD_SIZE"] == "1"
    assert command.folder == FOLDER.path


def test_the_program_of_a_rank_is_run_by_path():
    assert launcher.RANK_PROGRAM.is_absolute()
    assert launcher.RANK_PROGRAM.is_file()


def test_what_an_outer_launcher_set_is_not_passed_on():
    outer = {"RANK": "5", "PET_MAX_RESTARTS": "3", "TORCHELASTIC_RUN_ID": "x", "HOME": "/home/u"}
    environment = launcher.command(order(), FOLDER, outer).environment
    assert environment.keys().isdisjoint({"RANK", "PET_MAX_RESTARTS", "TORCHELASTIC_RUN_ID"})
    assert environment["HOME"] == "/home/u"
    assert environment["LLMOS_TASK"] == "/state/run/7/a2"
    assert environment["LLMOS_SPEC"] == "/state/run/7/a2/spec.json"


def test_held_gpus_are_named_by_uuid_and_others_hidden():
    held = order(gpus=("GPU-b", "GPU-c"), environment={"CUDA_VISIBLE_DEVICES": "0"})
    seen = launcher.command(held, FOLDER, {}).environment["CUDA_VISIBLE_DEVICES"]
    assert seen == "GPU-b,GPU-c"
    none = launcher.command(order(), FOLDER, {"CUDA_VISIBLE_DEVICES": "0"}).environment
    assert none["CUDA_VISIBLE_DEVICES"] == ""
    own = order(environment={"CUDA_VISIBLE_DEVICES": "1"})
    assert launcher.command(own, FOLDER, {}).environment["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize("source", ["agent", "program"])
def test_threads_are_shared_among_ranks_unless_set(monkeypatch, source: str):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    assert launcher.command(order(ranks=3), FOLDER, {}).environment["OMP_NUM_THREADS"] == "2"
    assert launcher.command(order(ranks=99), FOLDER, {}).environment["OMP_NUM_THREADS"] == "1"
    chosen = {"OMP_NUM_THREADS": "5"}
    task = order(environment=chosen if source == "program" else {})
    base = chosen if source == "agent" else {}
    assert launcher.command(task, FOLDER, base).environment["OMP_NUM_THREADS"] == "5"


def test_a_free_port_can_be_listened_on_and_is_not_given_while_it_is():
    with socket.socket() as listener:
        port = launcher.free_port()
        listener.bind(("", port))
        listener.listen()
        assert not launcher._is_free(port)
        assert 1024 < port < 65536
