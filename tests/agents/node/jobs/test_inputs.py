"""What a job reads is pinned: once, and whoever moves an alias meanwhile."""

from collections.abc import Callable

import msgspec
import pytest

from llmos.agents.errors import RequestRefused
from llmos.agents.protocol.artifacts import AliasMove, ArtifactLine, digest_of
from llmos.agents.protocol.jobs import Input, Retry

Script = Callable[[str], str]

TELLS = """
import os, pathlib
task = pathlib.Path(os.environ["LLMOS_TASK"])
(task / "inputs.json").write_text(os.environ.get("LLMOS_INPUTS", "none"))
"""
FAILS_ONCE = TELLS + "assert os.environ['LLMOS_ATTEMPT'] != '1'\n"
MAKES = """
import json, os, pathlib
task = pathlib.Path(os.environ["LLMOS_TASK"])
line = {{"what": "artifact", "name": "data", "kind": "dataset",
        "digest": "{digest}", "uri": "file:///made"}}
with open(task / "progress" / "rank-0.jsonl", "a") as file:
    file.write(json.dumps(line) + "\\n")
"""


def line(content: bytes, *aliases: str) -> ArtifactLine:
    return ArtifactLine(
        name="data",
        kind="dataset",
        digest=digest_of(content),
        uri=f"file:///{content.decode()}",
        aliases=list(aliases),
    )


def read_by(node, job: str, attempt: int = 1) -> dict[str, Input]:
    text = (node.folder(job, attempt).path / "inputs.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Input])


def version(content: bytes) -> Input:
    return Input(digest=digest_of(content), uri=f"file:///{content.decode()}")


async def test_a_job_reads_what_its_names_meant_when_it_was_taken(node, script: Script):
    node.artifacts.register(line(b"old", "best"), None, "somebody", 1.0)
    reads = script(TELLS)
    job = (await node.submit([reads], inputs=["data@best", "data"], hold=True)).id
    node.artifacts.register(line(b"new"), None, "somebody", 2.0)
    node.artifacts.move_alias("data", "best", AliasMove(version=2, before=1))
    await node.supervisor.release(job)
    await node.ended(job)
    assert read_by(node, job) == {"data@best": version(b"old"), "data": version(b"old")}


async def test_a_job_after_others_reads_what_they_have_made(node, script: Script):
    made = MAKES.format(digest=digest_of(b"made"))
    first = (await node.submit([script(made)])).id
    second = (await node.submit([script(TELLS)], inputs=["data"], after=[first], hold=True)).id
    await node.ended(first)
    node.artifacts.register(line(b"newer"), None, "somebody", 2.0)
    await node.supervisor.release(second)
    await node.ended(second)
    assert read_by(node, second) == {"data": version(b"made")}


async def test_all_attempts_read_the_same_and_so_does_a_restart(node, script: Script):
    node.artifacts.register(line(b"old"), None, "somebody", 1.0)
    first = (await node.submit([script("")], hold=True)).id
    retry = Retry(max_attempts=2, backoff=0.05)
    script_ = script(FAILS_ONCE)
    job = (await node.submit([script_], inputs=["data"], after=[first], retry=retry)).id
    await node.supervisor.release(first)
    await node.until(lambda: (node.folder(job).path / "inputs.json").exists())
    node.artifacts.register(line(b"new"), None, "somebody", 2.0)
    await node.ended(job)
    assert read_by(node, job, 2) == read_by(node, job, 1) == {"data": version(b"old")}
    again = (await node.supervisor.restart(job)).id
    await node.ended(again)
    assert read_by(node, again) == {"data": version(b"old")}


async def test_what_is_not_there_is_refused_or_ends_the_job_by_name(node, script: Script):
    for reference, message in (("data", 'no artifact "data"'), ("a b", "expected NAME")):
        with pytest.raises(RequestRefused, match=message):
            await node.submit([script("")], inputs=[reference])
    assert not node.supervisor.list()
    first = (await node.submit([script("")])).id
    second = (await node.submit([script(TELLS)], inputs=["data@best"], after=[first])).id
    ended = await node.ended(second)
    assert ended.summary.state == "failed"
    assert ended.summary.cause.startswith('there is no artifact "data@best"; `llmos artifacts`')


async def test_a_job_without_inputs_is_told_of_none(node, script: Script):
    job = (await node.submit([script(TELLS)])).id
    await node.ended(job)
    assert (node.folder(job).path / "inputs.json").read_text() == "none"
