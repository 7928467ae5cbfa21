"""Containers: the words that run a command inside an image, by one table of runtimes.

The words hold what is known only where and when the ranks start, as placeholders:

    {folder} {task} {rank_program}   paths on the host, which are the same inside
    {artifacts}                      the folder of the artifact store; no word, where it is none
    {env}                            a word by itself: becomes `--env=NAME` for each variable of the
                                     job and of the launch, whose value the runtime finds in its own
                                     environment, since every user of the host sees a command line
    {gpus}WORD                       WORD, where the attempt holds GPUs; else no word

Inside, ranks share the host's network, shared memory and process numbers: they meet as they would
outside, and signals and stacks find them.
"""

import os
import shutil
from pathlib import Path
from typing import Final, Literal

import msgspec

from ...agents.errors import SpecError

RuntimeName = Literal["apptainer", "singularity", "enroot", "podman"]
Form = Literal["file", "squashfs", "address", "registry"]

PATH: Final = "$.environment.container"

MOUNTS: Final = "{mounts}"
"""A word that stands for the mounts; filled here, not where the ranks start."""

IMAGE: Final = "{image}"

INSIDE: Final = "python3"
"""The interpreter, where none is named."""


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """What enters a container."""

    name: RuntimeName
    """The executable's, too."""

    images: dict[Form, str]
    """Which forms of image it starts, and how it wants them spelled."""

    words: tuple[str, ...]
    """What follows the executable."""

    mount: str
    """The word that shows a path of the host inside, for "{path}"."""

    emptied: tuple[str, ...] = ()
    """Variables of the agent that it would let in and that mean nothing inside."""


_APPTAINER: Final = Runtime(
    name="apptainer",
    images={"file": IMAGE, "address": IMAGE, "registry": f"docker://{IMAGE}"},
    words=("exec", "{gpus}--nv", "--pwd={folder}", MOUNTS, IMAGE),
    mount="--bind={path}:{path}",
    # It lets the whole environment in, save PATH and LD_LIBRARY_PATH.
    emptied=("PYTHONPATH", "PYTHONHOME", "LD_PRELOAD"),
)

RUNTIMES: Final = (
    _APPTAINER,
    msgspec.structs.replace(_APPTAINER, name="singularity"),
    Runtime(
        name="enroot",
        images={"squashfs": IMAGE},
        words=(
            "start",
            # CUDA images ask for every GPU, which fails where there is none. The last one counts.
            "--env=NVIDIA_VISIBLE_DEVICES=void",
            "{env}",
            "{gpus}--env=NVIDIA_VISIBLE_DEVICES=all",
            "{gpus}--env=NVIDIA_DRIVER_CAPABILITIES=compute,utility",
            MOUNTS,
            "--",
            IMAGE,
            # It has no option for the working folder.
            *("sh", "-c", 'cd "$0" && exec "$@"', "{folder}"),
        ),
        mount="--mount={path}:{path}:x-create=auto,rbind",
    ),
    Runtime(
        name="podman",
        images={"registry": IMAGE},
        words=(
            *("run", "--rm", "--network=host", "--ipc=host", "--pid=host"),
            # Root inside is, without root outside, the user who started it: files stay hers.
            "--user=0:0",
            # Memory that network cards pin is limited to almost nothing otherwise.
            "--ulimit=host",
            # Labels of SELinux would hide the mounts.
            "--security-opt=label=disable",
            # Ranks print to where they would outside, and not through a process that may end.
            "--log-driver=passthrough",
            # As with the others the image's own program does not come first.
            "--entrypoint=",
            "{gpus}--device=nvidia.com/gpu=all",
            "--workdir={folder}",
            "{env}",
            MOUNTS,
            IMAGE,
        ),
        mount="--volume={path}:{path}",
    ),
)
"""Of those that start an image and are installed, the first is taken."""

FORMS: Final[dict[Form, str]] = {
    "file": "files as x.sif and folders",
    "squashfs": "files as x.sqsh",
    "address": "addresses as oras://x",
    "registry": "names in a registry",
}


def settle(image: str, runtime: RuntimeName | None, folder: Path) -> tuple[str, RuntimeName]:
    """The image with its path made absolute from `folder`, and the runtime that will start it.

    Raises:
        SpecError: there is no such file, or no runtime for it.
    """
    form = form_of(image)
    if form in ("file", "squashfs"):
        image = os.path.abspath(folder / os.path.expanduser(image))
        if not os.path.exists(image):
            raise SpecError(f"{PATH}: no such file: {image}")
    fit = [one for one in RUNTIMES if form in one.images]
    if runtime is not None:
        fit = [one for one in fit if one.name == runtime]
        if not fit:
            (row,) = (one for one in RUNTIMES if one.name == runtime)
            starts = " and ".join(FORMS[form] for form in row.images)
            raise SpecError(f"$.environment.runtime: {runtime} starts {starts}, not {image}")
    for one in fit:
        if shutil.which(one.name):
            return image, one.name
    names = " or ".join(one.name for one in fit)
    raise SpecError(f"{PATH}: {image} needs {names}, not found on PATH")


def form_of(image: str) -> Form:
    """What sort of image that is, by how it is written."""
    if "://" in image and not image.startswith("docker://"):
        return "address"
    if image.endswith((".sqsh", ".squashfs")):
        return "squashfs"
    if image.endswith((".sif", ".simg")) or image.startswith(("/", "./", "../", "~")):
        return "file"
    return "registry"


def entering(image: str, name: RuntimeName, places: list[str]) -> list[str]:
    """The words ahead of the interpreter that run it inside; `places` are paths that it needs."""
    (runtime,) = (one for one in RUNTIMES if one.name == name)
    form = form_of(image)
    spelled = runtime.images[form].replace(IMAGE, image.removeprefix("docker://"))
    shown = ["{folder}", "{task}", "{rank_program}", "{artifacts}", *places]
    mounts = [runtime.mount.replace("{path}", place) for place in shown]
    words = [shutil.which(runtime.name) or runtime.name]
    for word in runtime.words:
        words += mounts if word == MOUNTS else [spelled if word == IMAGE else word]
    return words


def check_mountable(path: str, place: str) -> None:
    """Nothing, if a runtime can be told to show that path inside.

    Raises:
        SpecError: it is the root, or has a letter in it that parts the words of a mount.
    """
    if path == "/":
        raise SpecError(f"{place}: the host's root cannot be shown in a container; name a folder")
    if any(letter in path for letter in ":, \t\n"):
        raise SpecError(f"{place}: {path}: no container takes a path with a colon, comma or space")


def emptied(name: RuntimeName) -> dict[str, str]:
    """Variables that must be empty for what the agent's say not to come in."""
    (runtime,) = (one for one in RUNTIMES if one.name == name)
    return dict.fromkeys(runtime.emptied, "")
