"""The words that enter a container, given to programs that stand in for the runtimes."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from llmos.agents.errors import SpecError
from llmos.engine.command.containers import (
    RUNTIMES,
    check_mountable,
    emptied,
    entering,
    form_of,
    settle,
)

Executable = Callable[[Path, str], Path]
Install = Callable[..., None]

REGISTRY = "nvcr.io/nvidia/pytorch:25.06-py3"


@pytest.fixture
def install(tmp_path: Path, executable: Executable, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts runtimes on PATH, and nothing else; each runs what follows the image's name."""

    def put(*names: str) -> None:
        for name in names:
            executable(tmp_path / "bin" / name, 'printf "%s\\n" "$@"')
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    return put


@pytest.mark.parametrize(
    ("image", "form"),
    [
        ("torch.sif", "file"),
        ("./sandbox", "file"),
        ("/images/torch", "file"),
        ("images/torch.sqsh", "squashfs"),
        ("oras://host/torch:1", "address"),
        ("docker://pytorch/pytorch", "registry"),
        (REGISTRY, "registry"),
    ],
)
def test_an_image_is_known_by_how_it_is_written(image: str, form: str) -> None:
    assert form_of(image) == form


def test_the_first_that_is_installed_and_starts_the_image_is_taken(
    tmp_path: Path, install: Install
) -> None:
    install("enroot", "podman")
    (tmp_path / "x.sqsh").touch()
    assert settle("x.sqsh", None, tmp_path) == (str(tmp_path / "x.sqsh"), "enroot")
    assert settle(REGISTRY, None, tmp_path) == (REGISTRY, "podman")
    install("singularity")
    assert settle(REGISTRY, None, tmp_path) == (REGISTRY, "singularity")
    assert settle(REGISTRY, "podman", tmp_path) == (REGISTRY, "podman")


def test_what_cannot_be_entered_is_refused(tmp_path: Path, install: Install) -> None:
    install("enroot")
    with pytest.raises(SpecError, match=r"no such file: .*/x\.sif"):
        settle("x.sif", None, tmp_path)
    (tmp_path / "x.sif").touch()
    with pytest.raises(SpecError, match=r"x\.sif needs apptainer or singularity, not found"):
        settle("x.sif", None, tmp_path)
    with pytest.raises(SpecError, match=r"runtime: enroot starts files as x\.sqsh, not "):
        settle("x.sif", "enroot", tmp_path)
    for path in ("/", "/a:b", "/a b", "/a,b"):
        with pytest.raises(SpecError, match=r"\$\.command\.folder: "):
            check_mountable(path, "$.command.folder")


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_every_runtime_is_told_all_paths_and_where_the_launcher_fills_in(
    runtime: object, install: Install
) -> None:
    (row,) = (one for one in RUNTIMES if one is runtime)
    install(row.name)
    image = {"squashfs": "/x.sqsh"}.get(next(iter(row.images)), REGISTRY)
    words = entering(image, row.name, ["/scripts"])
    assert os.path.isabs(words[0])
    mounts = [word for word in words if word.startswith(row.mount.partition("=")[0] + "=")]
    for path in ("{folder}", "{task}", "{rank_program}", "{artifacts}", "/scripts"):
        assert row.mount.replace("{path}", path) in mounts
    assert any(word.startswith("{gpus}--") for word in words)
    assert not any(word in ("{mounts}", "{image}") for word in words)
    assert any("{folder}" in word and word not in mounts for word in words)
    # What does not let the environment in by itself is told it, by names.
    assert ("{env}" in words) == (not emptied(row.name))


def test_images_are_spelled_as_the_runtime_wants_them(install: Install) -> None:
    install("apptainer", "podman")
    for written in (REGISTRY, f"docker://{REGISTRY}"):
        assert entering(written, "apptainer", [])[-1] == f"docker://{REGISTRY}"
        assert entering(written, "podman", [])[-1] == REGISTRY
    assert entering("/x.sif", "apptainer", [])[-1] == "/x.sif"


def test_the_words_after_enroots_image_go_to_the_working_folder(tmp_path: Path) -> None:
    words = entering("/x.sqsh", "enroot", [])
    inside = words[words.index("/x.sqsh") + 1 :]
    command = [word.replace("{folder}", str(tmp_path)) for word in inside]
    said = subprocess.run([*command, "pwd"], capture_output=True, text=True, check=True).stdout
    assert said == f"{tmp_path}\n"
    assert shlex.join(command).count("exec") == 1
