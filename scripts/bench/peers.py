"""The peers: each in an environment of its own, made by pip when first needed.

`python scripts/bench/peers.py` makes them all.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmos.scripts.bench import programs

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "build/bench"

PEERS: Final[dict[str, tuple[str, Callable[[Path], programs.Program]]]] = {
    "nvitop": ("nvitop==1.7.2", programs.nvitop),
    "gpu-scope": ("gpu-scope==0.2.0", programs.gpu_scope),
    "constella-gpu": ("constella-gpu==0.1.4", programs.constella),
}
"""By name: what pip installs, and how it is used."""


def environment(folder: Path, name: str) -> Path:
    """The environment of one peer in `folder`, made if it is not there."""
    place, (requirement, _) = folder / name, PEERS[name]
    if not (place / "bin/pip").exists():
        print(f"making {place}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip = [str(place / "bin/python"), "-m", "pip", "install", "--quiet", requirement]
        subprocess.run(pip, check=True)
    return place


def chosen(folder: Path, names: list[str]) -> list[programs.Program]:
    """The peers of those names; nvtop only where it is installed."""
    found = []
    for name in names:
        if name == "nvtop":
            nvtop = programs.nvtop()
            if nvtop is None:
                print("nvtop is not installed (apt-get install nvtop): left out", file=sys.stderr)
            else:
                found.append(nvtop)
        else:
            found.append(PEERS[name][1](environment(folder, name)))
    return found


def main() -> None:
    """Make the environments of all peers."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--peers-folder", type=Path, default=FOLDER)
    folder = parser.parse_args().peers_folder
    for name in PEERS:
        print(environment(folder, name))


if __name__ == "__main__":
    main()
