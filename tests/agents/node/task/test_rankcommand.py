"""Commands and environments of ranks, which torch's own launcher is asked to confirm."""

import inspect
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from llmos.agents.node.task.rankcommand import (
    RANK_PROGRAM,
    RankCommand,
    _is_free,
    free_port,
    rank_commands,
)
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.agents.protocol.jobs import JobRequest, Program, TaskOrder

FOLDER = TaskFolder(Path("/state/run/7/a2"))


def order(ranks: int = 1, gpus: tuple[str, ...] = (), **program: object) -> TaskOrder:
    made = Program(arguments=["-m", "some.module", "--max-restarts=9"], **program)  # type: ignore[arg-type]
    request = JobRequest(kind="command", name="x", program=made)
    return TaskOrder(
        job="7", attempt=2, user="u", created=0.0, request=request, ranks=ranks, gpus=list(gpus)
    )


def rank(order: TaskOrder, base: Mapping[str, str] = {}, number: int = 0) -> RankCommand:
    return rank_commands(order, FOLDER, base)[number]


def test_a_rank_is_told_what_torchrun_tells():
    torch = pytest.importorskip("torch.distributed.elastic.agent.server.local_elastic_agent")
    told = set(re.findall(r'"([A-Z_]+)": ', inspect.getsource(torch)))
    assert "MASTER_PORT" in told
    first, _, last = rank_commands(order(ranks=3), FOLDER, {})
    assert told - set(last.environment) <= {"TORCHELASTIC_ERROR_FILE", "TORCH_FR_CPP_DUMP_FILE"}
    numbers = [last.environment[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")]
    assert numbers == ["2", "2", "3"]
    assert first.environment["MASTER_PORT"] == last.environment["MASTER_PORT"]
    # Another process that kept the store would have to live for the ranks to go on.
    assert last.environment["TORCHELASTIC_USE_AGENT_STORE"] == "False"


def test_the_words_of_a_rank():
    command = rank(order(launcher="plain", python="/opt/python"))
    words = ["/opt/python", "-u", str(RANK_PROGRAM), "-m", "some.module", "--max-restarts=9"]
    assert command.arguments == words
    assert command.program == words[3:]
    assert command.folder == FOLDER.path


def test_a_container_is_entered_with_what_the_rank_needs():
    prefix = ["podman", "-v={task}:{task}", "-w={folder}", "{gpus}--gpus", "{env}", "image"]
    inside = order(
        prefix=prefix, folder="/somewhere", python="python3", environment={"COLOUR": "blue"}
    )
    words = rank(inside, {"HOME": "/home/u", "CUDA_VISIBLE_DEVICES": ""}).arguments
    assert words[:3] == ["podman", "-v=/state/run/7/a2:/state/run/7/a2", "-w=/somewhere"]
    assert "--gpus" not in words
    assert {"--env=COLOUR", "--env=RANK", "--env=LLMOS_TASK", "--env=CUDA_VISIBLE_DEVICES"} <= set(
        words
    )
    assert "--env=HOME" not in words
    assert words[words.index("image") :][1:3] == ["python3", "-u"]
    with_gpus = order(gpus=("GPU-a",), prefix=prefix, python="python3")
    assert "--gpus" in rank(with_gpus).arguments


def test_modules_are_loaded_by_a_login_shell():
    words = rank(order(setup="module load cuda || exit")).arguments
    assert words[:2] == ["bash", "-lc"]
    assert words[2] == 'module load cuda || exit\nexec "$@"'
    assert words[3:5] == ["bash", sys.executable]


def test_a_whole_environment_leaves_nothing_of_the_agents():
    submitted = order(environment={"PATH": "/opt/bin"})
    environment = rank(submitted, {"VIRTUAL_ENV": "/agents"}).environment
    assert "VIRTUAL_ENV" not in environment
    assert rank(order(), {"VIRTUAL_ENV": "/agents"}).environment["VIRTUAL_ENV"] == "/agents"


def test_the_program_of_a_rank_is_run_by_path():
    assert RANK_PROGRAM.is_absolute()
    assert RANK_PROGRAM.is_file()


def test_what_an_outer_launcher_set_is_not_passed_on():
    outer = {"RANK": "5", "PET_MAX_RESTARTS": "3", "TORCHELASTIC_RUN_ID": "x", "HOME": "/home/u"}
    environment = rank(order(), outer).environment
    assert "PET_MAX_RESTARTS" not in environment
    assert (environment["RANK"], environment["TORCHELASTIC_RUN_ID"]) == ("0", "7.2")
    assert environment["HOME"] == "/home/u"
    assert environment["LLMOS_TASK"] == "/state/run/7/a2"
    assert environment["LLMOS_SPEC"] == "/state/run/7/a2/spec.json"


def test_a_rank_is_told_the_store_of_its_agent():
    named = msgspec.structs.replace(
        order(environment={"PATH": "/bin", "LLMOS_ARTIFACTS": "x"}), artifacts="file:///a b"
    )
    assert rank(named).environment["LLMOS_ARTIFACTS"] == "file:///a b"
    assert "LLMOS_ARTIFACTS" not in rank(order()).environment


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("file:///the/store", ["run", "-v=/the/store:/the/store"]),
        ("/the/store", ["run", "-v=/the/store:/the/store"]),
        ("s3://bucket/x", ["run"]),
        ("", ["run"]),
    ],
)
def test_a_store_of_this_host_is_shown_inside_a_container(store: str, words: list[str]):
    asked = order(prefix=["run", "-v={artifacts}:{artifacts}"], python="python3")
    arguments = rank(msgspec.structs.replace(asked, artifacts=store)).arguments
    assert arguments[: arguments.index("python3")] == words


def test_held_gpus_are_named_by_uuid_and_others_hidden():
    held = order(gpus=("GPU-b", "GPU-c"), environment={"CUDA_VISIBLE_DEVICES": "0"})
    seen = rank(held, {}).environment["CUDA_VISIBLE_DEVICES"]
    assert seen == "GPU-b,GPU-c"
    none = rank(order(), {"CUDA_VISIBLE_DEVICES": "0"}).environment
    assert none["CUDA_VISIBLE_DEVICES"] == ""
    own = order(environment={"CUDA_VISIBLE_DEVICES": "1"})
    assert rank(own, {}).environment["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize("source", ["agent", "program"])
def test_threads_are_shared_among_ranks_unless_set(monkeypatch, source: str):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    assert rank(order(ranks=3), {}).environment["OMP_NUM_THREADS"] == "2"
    assert rank(order(ranks=99), {}).environment["OMP_NUM_THREADS"] == "1"
    chosen = {"OMP_NUM_THREADS": "5"}
    task = order(environment=chosen if source == "program" else {})
    base = chosen if source == "agent" else {}
    assert rank(task, base).environment["OMP_NUM_THREADS"] == "5"


def test_a_free_port_can_be_listened_on_and_is_not_given_while_it_is():
    with socket.socket() as listener:
        port = free_port()
        listener.bind(("", port))
        listener.listen()
        assert not _is_free(port)
        assert 1024 < port < 65536


def test_each_rank_sees_its_own_instance():
    held = order(ranks=3, gpus=("MIG-a", "MIG-b"))
    seen = [rank(held, number=n).environment["CUDA_VISIBLE_DEVICES"] for n in range(3)]
    assert seen == ["MIG-a", "MIG-b", "MIG-a"]
