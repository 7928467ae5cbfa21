"""Takes the README's pictures from the real program: `python scripts/screenshot.py [FOLDER]`.

A real agent over the tests' NVML stand-in (so the GPUs are simulated, and nothing else is), a real
training job, and the real console without a terminal. Needs what scripts/test installs. Takes about
two minutes, since a curve without a past is no picture.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZE = (132, 40)
FILL_SECONDS = 75


def main() -> int:
    """Start everything, take the pictures, stop everything."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="llmos-") as scratch:
        standin = subprocess.Popen(
            [sys.executable, ROOT / "tests/nvml/standin.py", f"{scratch}/nvml", "--gpus", "8"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            _environment(standin, scratch)
            asyncio.run(_take(folder))
        finally:
            standin.terminate()
            standin.wait()
    return 0


def _environment(standin: "subprocess.Popen[str]", scratch: str) -> None:
    """What the agent that the console starts will see."""
    assert standin.stdout is not None
    for line in standin.stdout:
        name, _, value = line.removeprefix("export ").strip().partition("=")
        os.environ[name] = value
        if name == "LD_LIBRARY_PATH":
            break
    os.environ["LLMOS_STATE"] = f"{scratch}/state"
    os.environ["XDG_CONFIG_HOME"] = f"{scratch}/config"
    os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"


async def _take(folder: Path) -> None:
    from llmos.agents import locations, start
    from llmos.agents.fleet.address import unix
    from llmos.console.app import ConsoleApp
    from llmos.console.requests import requests_from_words

    own = locations.find()
    agent = start.spawn(own, idle=5)
    start.wait(own, agent)
    app = ConsoleApp(unix(own.socket), own)
    try:
        async with app.run_test(size=SIZE) as pilot:
            await pilot.pause(3)
            (asked,) = requests_from_words(["@train-text"], Path.cwd())
            job = await app.client.submit(asked)
            await pilot.pause(FILL_SECONDS)
            _save(app, folder / "fleet.svg", "llmos")
            app.open_job(job.id)
            await pilot.pause(3)
            _save(app, folder / "job.svg", f"llmos: job {job.id}")
            await app.client.stop(job.id)
            await pilot.pause(2)
    finally:
        agent.terminate()
        agent.wait()


def _save(app: object, path: Path, title: str) -> None:
    path.write_text(app.export_screenshot(title=title))  # type: ignore[attr-defined]
    print(path)


if __name__ == "__main__":
    sys.exit(main())
