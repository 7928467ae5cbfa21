"""What a job has made is registered while it runs, and once."""

from collections.abc import Callable
from pathlib import Path

from llmos.agents.protocol.artifacts import AliasMove, ArtifactLine, digest_of

Script = Callable[[str], str]

MAKES = """
import json, os, pathlib, time
task = pathlib.Path(os.environ["LLMOS_TASK"])
lines = [
    {{"what": "artifact", "name": "plain", "path": "/plain"}},
    {{"what": "artifact", "name": "bad", "digest": "sha256:none"}},
    {{"what": "artifact", "name": "model", "kind": "model", "digest": "{digest}",
      "uri": os.environ["LLMOS_ARTIFACTS"], "aliases": ["newest"]}},
]
with open(task / "progress" / "rank-0.jsonl", "a") as file:
    file.writelines(json.dumps(line) + "\\n" for line in lines)
while not (task / "enough").exists():
    time.sleep(0.02)
"""


async def test_what_a_job_made_is_registered_once_whoever_reads_it(
    tmp_path: Path, late_node, script: Script
):
    digest = digest_of(b"model")
    first = late_node()
    job = (await first.submit([script(MAKES.format(digest=digest))])).id
    await first.until(lambda: bool(first.artifacts.versions()))
    (version,) = first.artifacts.versions()
    assert (version.name, version.version, version.job) == ("model", 1, job)
    assert (version.user, version.uri) == ("tester", f"file://{tmp_path}/artifacts")
    assert version.aliases == ["newest"]
    other = ArtifactLine(name="model", kind="model", digest=digest_of(b"other"), uri="file:///")
    first.artifacts.register(other, None, "somebody", 1.0)
    first.artifacts.move_alias("model", "newest", AliasMove(version=2, before=1))
    await first.close()

    second = late_node()
    (second.folder(job).path / "enough").touch()
    record = await second.ended(job)
    assert record.artifacts == {"plain": "/plain", "model": digest}
    versions = [(one.version, one.job, one.aliases) for one in second.artifacts.versions()]
    assert versions == [(2, None, ["newest"]), (1, job, [])]
