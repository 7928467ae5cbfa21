"""scripts/run in a checkout of its own: real venv and pip, a llmos of one module, no network."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKOUT = Path(__file__).parent / "checkout"


class Checkout:
    """A clone in which scripts/run installs a small llmos, whose engine is a package `heavy`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(CHECKOUT, folder)
        (folder / "scripts").mkdir()
        for name in ("run", "environment.sh"):
            shutil.copy(ROOT / "scripts" / name, folder / "scripts")
        (folder / "scripts/constraints.txt").touch()
        (folder / "wheels").mkdir()
        spec = importlib.util.spec_from_file_location("backend", folder / "backend.py")
        assert spec is not None
        assert spec.loader is not None
        backend = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(backend)
        backend.write_wheel(folder / "wheels", "heavy", "", {"heavy.py": ""})

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        pip = {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": (self.folder / "wheels").as_uri(),
        }
        return ours | pip

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.folder / "scripts/run", *words],
            cwd="/",
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **variables)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)

    def builds(self) -> int:
        return len((self.folder / "builds").read_text().splitlines())

    def has(self, module: str) -> bool:
        return any(self.folder.glob(f".venv/lib/python3*/site-packages/{module}.py"))

    def change_requirements(self, old: str = "", new: str = "") -> None:
        file = self.folder / "pyproject.toml"
        file.write_text(file.read_text().replace(old, new) + f"# {time.time_ns()}\n")

    def hold(self) -> None:
        """Let the next install wait in its midst, once it got there."""
        (self.folder / "hold").touch()

    def wait_until_held(self) -> None:
        while not (self.folder / "held").exists():
            time.sleep(0.02)

    def release(self) -> None:
        (self.folder / "hold").unlink()
        (self.folder / "held").unlink()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One in which nothing has been installed, or all that the tests before it installed."""
    return Checkout(tmp_path_factory.mktemp("run") / "with a space")


@pytest.fixture(scope="module")
def installed(checkout: Checkout) -> Checkout:
    first = checkout.run("first")
    assert first.returncode == 0, first.stderr
    return checkout


def test_the_first_start_installs_and_starts(checkout: Checkout) -> None:
    first = checkout.run("top", "--once")
    assert first.returncode == 0
    assert json.loads(first.stdout) == {
        "words": ["top", "--once"],
        "run": str(checkout.folder / "scripts/run"),
        "lock": False,
    }
    (said,) = first.stderr.splitlines()
    assert said.startswith("llmos: installing, once: ")
    assert not checkout.has("heavy")


def test_a_later_start_installs_nothing_and_says_nothing(installed: Checkout) -> None:
    builds = installed.builds()
    later = installed.run("two words", "", "--json")
    assert json.loads(later.stdout)["words"] == ["two words", "", "--json"]
    assert later.stderr == ""
    assert installed.builds() == builds


def test_it_exits_as_llmos_does(installed: Checkout) -> None:
    assert installed.run("exit", "7").returncode == 7


def test_through_a_link_it_finds_its_checkout(installed: Checkout, tmp_path: Path) -> None:
    link = tmp_path / "llmos"
    link.symlink_to(installed.folder / "scripts/run")
    process = subprocess.run([link], cwd=tmp_path, capture_output=True, text=True)
    assert json.loads(process.stdout)["run"] == str(installed.folder / "scripts/run")


def test_changed_requirements_are_installed_at_the_next_start(installed: Checkout) -> None:
    builds = installed.builds()
    installed.change_requirements()
    assert installed.run().returncode == 0
    assert installed.builds() == builds + 1


def test_a_moved_checkout_is_installed_anew(installed: Checkout) -> None:
    home, away = installed.folder, installed.folder.with_name("elsewhere")
    home.rename(away)
    installed.folder = away
    moved = installed.run()
    away.rename(home)
    installed.folder = home
    assert json.loads(moved.stdout)["run"] == str(away / "scripts/run")
    assert json.loads(installed.run().stdout)["run"] == str(home / "scripts/run")


def test_two_starts_at_once_install_once(installed: Checkout) -> None:
    builds = installed.builds()
    installed.change_requirements()
    installed.hold()
    first = installed.start()
    installed.wait_until_held()
    second = installed.start()
    assert second.stderr is not None
    assert "waiting for it" in second.stderr.readline()
    installed.release()
    assert [first.communicate(timeout=60), first.returncode][1] == 0
    assert [second.communicate(timeout=60), second.returncode][1] == 0
    assert installed.builds() == builds + 1


def test_a_killed_install_is_taken_up_again(installed: Checkout) -> None:
    installed.change_requirements()
    installed.hold()
    killed = installed.start()
    installed.wait_until_held()
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    installed.release()
    again = installed.run("again")
    assert json.loads(again.stdout)["words"] == ["again"]


def test_a_package_that_is_not_all_there_is_installed_again(installed: Checkout) -> None:
    assert installed.run("--with-engine").returncode == 0
    (module,) = installed.folder.glob(".venv/lib/python3*/site-packages/heavy.py")
    module.unlink()
    (module.parent / "heavy-1.dist-info/INSTALLER").unlink()
    installed.change_requirements()
    assert installed.run("--with-engine").returncode == 0
    assert module.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["jobs"],
        ["run", "--help"],
        ["run", "@train-text", "--connect", "ssh://there"],
        ["submit", "--connect=ssh://there", "spec.toml"],
    ],
)
def test_what_needs_no_engine_installs_none(installed: Checkout, words: list[str]) -> None:
    forget_engine(installed)
    assert json.loads(installed.run(*words).stdout)["words"] == words
    assert not installed.has("heavy")


@pytest.mark.parametrize(
    "words", [["run", "@train-text"], ["run", "--", "script.py", "--connect"], ["submit", "a.toml"]]
)
def test_the_engine_is_installed_when_first_needed(installed: Checkout, words: list[str]) -> None:
    forget_engine(installed)
    started = installed.run(*words)
    assert json.loads(started.stdout)["words"] == words
    assert "to download" in started.stderr.splitlines()[0]
    assert installed.has("heavy")


def forget_engine(installed: Checkout) -> None:
    (installed.folder / ".venv/installed-engine").unlink(missing_ok=True)
    for path in installed.folder.glob(".venv/lib/python3*/site-packages/heavy*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_without_a_network_it_says_so_in_one_line(installed: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}/"
    installed.change_requirements("dependencies = []", 'dependencies = ["not-to-be-had"]')
    started = installed.run(PIP_NO_INDEX="0", PIP_INDEX_URL=nobody, PIP_RETRIES="1")
    installed.change_requirements('"not-to-be-had"', "")
    assert started.returncode == 1
    assert started.stdout == ""
    _, failed = started.stderr.splitlines()
    assert "is there a network?" in failed
    assert str(installed.folder / "build/install.log") in failed


def test_what_pip_cannot_find_is_named(installed: Checkout) -> None:
    installed.change_requirements("dependencies = []", 'dependencies = ["not-to-be-had"]')
    started = installed.run()
    installed.change_requirements('"not-to-be-had"', "")
    assert started.returncode == 1
    assert "not-to-be-had" in started.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("refused", "advice"), [("version_info", "Python 3.11"), ("ensurepip", "python3-venv")]
)
def test_a_python_that_will_not_do_is_named(tmp_path: Path, refused: str, advice: str) -> None:
    checkout = Checkout(tmp_path / "checkout")
    for name in ("bash", "env", "readlink", "dirname", "cat", "cksum", "mkdir"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\ncase "$*" in *{refused}*) exit 1 ;; esac\n')
    python.chmod(0o755)
    started = checkout.run(PATH=str(tmp_path))
    assert started.returncode == 1
    (said,) = started.stderr.splitlines()
    assert advice in said
    assert not (checkout.folder / ".venv").exists()
