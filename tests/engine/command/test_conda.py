"""conda environments, found without conda."""

from collections.abc import Callable
from pathlib import Path

import pytest

from llmos.agents.errors import SpecError
from llmos.engine.command.conda import conda_prefix

Prefix = Callable[[str], Path]


def register(*lines: str) -> None:
    listed = Path("~/.conda/environments.txt").expanduser()
    listed.parent.mkdir(exist_ok=True)
    listed.write_text("\n".join(lines) + "\n")


def test_by_name_below_the_root(tmp_path: Path, prefix: Prefix) -> None:
    root, mine = prefix("root"), prefix("root/envs/mine")
    variables = {"CONDA_EXE": str(root / "bin" / "conda")}
    assert conda_prefix("mine", tmp_path, variables) == str(mine)
    assert conda_prefix("base", tmp_path, variables) == str(root)


def test_by_name_in_the_list_and_in_named_folders(tmp_path: Path, prefix: Prefix) -> None:
    listed, own = prefix("far/listed"), prefix("shared/own")
    register("", f"{listed}/", "/gone/other")
    assert conda_prefix("listed", tmp_path, {}) == str(listed)
    assert conda_prefix("own", tmp_path, {"CONDA_ENVS_PATH": f"/none:{own.parent}"}) == str(own)


def test_by_path(tmp_path: Path, prefix: Prefix) -> None:
    beside = prefix("some/env")
    assert conda_prefix("./some/env", tmp_path, {}) == str(beside)
    home = prefix("home/env")
    assert conda_prefix("~/env", tmp_path, {}) == str(home)


def test_what_is_not_there_gets_the_nearest_name(tmp_path: Path, prefix: Prefix) -> None:
    with pytest.raises(
        SpecError, match=r"\$\.environment\.conda: no conda environments .*\"mine\""
    ):
        conda_prefix("mine", tmp_path, {})
    register(str(prefix("training")), "/gone/old")
    with pytest.raises(SpecError, match=r'"trainign", did you mean "training"\?'):
        conda_prefix("trainign", tmp_path, {})
    with pytest.raises(SpecError, match="no conda environment with a python: /gone/old"):
        conda_prefix("old", tmp_path, {})
