"""What a folder must not hold, each named; and links, which stay inside."""

import os
import socket
from pathlib import Path

import pytest

from llmos.agents.errors import ArtifactError
from llmos.engine.artifacts.manifest import BLOCK, blocks_of, manifest_of


def paths(folder: Path) -> list[str]:
    return [file.path for file in manifest_of(folder).files]


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/a").write_text("one")
    (tmp_path / "b").symlink_to("inner/a")
    (tmp_path / "other").symlink_to("inner")
    assert paths(tmp_path) == ["b", "inner/a", "other/a"]
    assert len({file.digest for file in manifest_of(tmp_path).files}) == 1


@pytest.mark.parametrize(
    ("target", "said"),
    [("/etc/passwd", "leads outside"), ("..", "leads outside"), (".", "back"), ("no", "nowhere")],
)
def test_other_links_are_refused_by_name(tmp_path: Path, target: str, said: str) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made/lure").symlink_to(target)
    with pytest.raises(ArtifactError, match=f"'lure' leads {said.removeprefix('leads ')}"):
        manifest_of(tmp_path / "made")


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lure").symlink_to("lure")
    with pytest.raises(ArtifactError, match="'lure' leads nowhere"):
        manifest_of(tmp_path)


def test_fifos_and_sockets_are_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="'pipe' is a socket, FIFO or device"):
        manifest_of(tmp_path)
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        with pytest.raises(ArtifactError, match="'socket' is a socket, FIFO or device"):
            manifest_of(tmp_path)


@pytest.mark.parametrize("name", [b"a\nb", b"\xff\xfe"])
def test_names_that_are_no_text_are_refused(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_text("one")
    with pytest.raises(ArtifactError, match="rename it"):
        manifest_of(tmp_path)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "growing"
    file.write_bytes(b"\0" * (2 * BLOCK))
    blocks = blocks_of(file)
    next(blocks)
    with file.open("ab") as writer:
        writer.write(b"more")
    with pytest.raises(ArtifactError, match="growing: changed while it was read"):
        list(blocks)


def test_a_file_that_is_replaced_while_it_is_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "replaced"
    file.write_bytes(b"one")
    blocks = blocks_of(file)
    next(blocks)
    (tmp_path / "new").write_bytes(b"two")
    (tmp_path / "new").replace(file)
    with pytest.raises(ArtifactError, match="replaced: changed while it was read"):
        list(blocks)


def test_nothing_is_no_artifact(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ArtifactError):
            manifest_of(place)
