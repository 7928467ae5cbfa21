"""What is packaged is what is there."""

import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
NO_CODE_OF_THE_PACKAGE = {"build", "dist", "scripts", "tests"}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def package_folders() -> list[Path]:
    found = [ROOT]
    for folder in found:
        found += [inner.parent for inner in sorted(folder.glob("*/__init__.py"))]
    return [
        folder
        for folder in found
        if not NO_CODE_OF_THE_PACKAGE & set(folder.relative_to(ROOT).parts)
    ]


def package_name(folder: Path) -> str:
    return ".".join(["llmos", *folder.relative_to(ROOT).parts])


def constraints() -> dict[str, str]:
    lines = (ROOT / "scripts/constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    return {name.lower().replace("_", "-"): version for name, version in pins.items()}


def requirements() -> list[str]:
    extras = project()["project"]["optional-dependencies"]
    return [*project()["project"]["dependencies"], *extras["engine"], *extras["dev"]]


def test_every_folder_of_the_package_is_named_and_every_named_one_is_there() -> None:
    named = project()["tool"]["setuptools"]["packages"]
    assert sorted(named) == sorted(package_name(folder) for folder in package_folders())


def test_every_folder_with_code_is_a_package() -> None:
    for folder in package_folders():
        for code in folder.glob("*/*.py"):
            if folder != ROOT or code.parent.name not in NO_CODE_OF_THE_PACKAGE:
                assert (code.parent / "__init__.py").exists(), f"{code.parent} has no __init__.py"


def test_every_init_is_empty() -> None:
    for folder in package_folders():
        assert (folder / "__init__.py").read_text() == "", folder


def test_no_folder_of_tests_is_a_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_files_that_are_no_code_are_packaged() -> None:
    patterns = project()["tool"]["setuptools"]["package-data"]
    for folder in package_folders()[1:]:
        packaged = {
            file
            for pattern in patterns.get(package_name(folder), [])
            for file in folder.glob(pattern)
        }
        others = {file for file in folder.iterdir() if file.is_file() and file.suffix != ".py"}
        assert others == packaged, folder


def test_one_version() -> None:
    version = project()["project"]["version"]
    assert metadata.version("llmos") == version
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changes or f"## [{version}]" in changes


@pytest.mark.parametrize("requirement", requirements())
def test_the_constraints_are_within_the_ranges(requirement: str) -> None:
    asked = Requirement(requirement)
    assert asked.specifier.contains(constraints()[asked.name.lower()])
