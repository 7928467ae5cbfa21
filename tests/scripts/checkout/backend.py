"""Builds the small llmos beside it as an editable wheel, out of the standard library alone.

Each build is a line in `builds`. While there is a file `hold`, a build waits, and says so by a
file `held`.
"""

import time
import tomllib
from pathlib import Path
from zipfile import ZipFile

WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path, name: str, metadata: str, files: dict[str, str]) -> str:
    """Write a wheel of version 1 into `folder` and return its name."""
    info = f"{name}-1.dist-info"
    files |= {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{metadata}",
        f"{info}/WHEEL": WHEEL,
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = f"{name}-1-py3-none-any.whl"
    with ZipFile(folder / wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def build_editable(
    wheel_directory: str, config_settings: object = None, metadata_directory: object = None
) -> str:
    """Build the wheel, as PEP 660 has it, with the checkout as working directory."""
    with Path("builds").open("a") as builds:
        builds.write("build\n")
    while Path("hold").exists():
        Path("held").touch()
        time.sleep(0.02)
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    metadata = "".join(f"Requires-Dist: {name}\n" for name in project["dependencies"])
    for extra, names in project["optional-dependencies"].items():
        metadata += f"Provides-Extra: {extra}\n"
        metadata += "".join(f'Requires-Dist: {name}; extra == "{extra}"\n' for name in names)
    files = {
        "llmos.pth": str(Path.cwd()),
        "llmos-1.dist-info/entry_points.txt": "[console_scripts]\nllmos = llmos:main\n",
    }
    return write_wheel(Path(wheel_directory), "llmos", metadata, files)
