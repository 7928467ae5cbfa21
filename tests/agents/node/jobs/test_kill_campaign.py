"""A sample of the kill campaign: the same code as `scripts/bench/kill_campaign.py`, less of it."""

from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from llmos.scripts.bench import kill_campaign
from llmos.scripts.bench.kill_jobs import KINDS
from llmos.scripts.bench.kill_place import Place

STRIKES = 20
SHORT = {
    "short": (2, 10),
    "long": (30, 60),
    "escapees": (10, 40),
    "exits with 7": (5, 20),
    "stopped cold": (2000, 2000),
}
WARM = {"short warm": (2, 10), "gloo": (20, 60), "raises": (5, 20), "stopped": (2000, 2000)}


def test_no_process_that_is_killed_harms_a_job_or_leaves_anything():
    steps = SHORT | (WARM if find_spec("torch") else {})
    kinds = [replace(kind, steps=steps[kind.name]) for kind in KINDS if kind.name in steps]
    options = kill_campaign.Options(count=STRIKES, seed=7, every=0.4, jobs=4, kinds=kinds)
    with TemporaryDirectory(prefix="llmos-kill-", dir="/tmp") as folder:  # a socket's path is short
        findings = kill_campaign.run(options, Path(folder))
    assert [text for _, text in findings.violations] == []
    assert len(findings.strikes) == STRIKES
    struck = Counter(strike.victim.what for strike in findings.strikes)
    assert struck["shim"]
    looked_at = {"taken", "end", "attempts", "exit codes", "logs", "states", "processes", "records"}
    assert all(findings.checked[check] for check in looked_at)


def test_an_upgrade_replaces_every_file_and_the_version(tmp_path: Path):
    place = Place(tmp_path, 1)
    installed = tmp_path / "packages" / "llmos" / "agents" / "version.py"
    before = installed.read_text(), installed.with_name("daemon.py").stat().st_ino
    version = place.install()
    assert version in installed.read_text()
    assert version not in before[0]
    assert installed.with_name("daemon.py").stat().st_ino != before[1]
