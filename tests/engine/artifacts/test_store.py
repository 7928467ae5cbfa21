"""The store: what is published comes back, once, whole, and only as its digest says."""

import json
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.agents.errors import ArtifactError, ArtifactMissing
from llmos.agents.protocol.artifacts import ArtifactLine, FileDigest, Manifest, Parent, digest_of
from llmos.engine.artifacts.layout import manifest_path, object_path
from llmos.engine.artifacts.publish import publish_and_describe
from llmos.engine.artifacts.store import Problem, Store
from llmos.engine.progress import Progress

NAME = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1)
PATHS = st.lists(NAME.filter(lambda name: name not in (".", "..")), min_size=1, max_size=3)
FILES = st.dictionaries(
    PATHS.map("/".join).filter(lambda path: len(path) < 60),
    st.binary(max_size=200),
    min_size=1,
    max_size=6,
)


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store") if request.param == "file" else memory())


def memory() -> str:
    return f"memory://{uuid.uuid4().hex}"


def made(folder: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def tampered(store: Store, path: str, data: bytes) -> None:
    store.storage.write(path, [data])


def test_what_is_published_comes_back(store: Store, tmp_path: Path) -> None:
    files = {"a.txt": b"one", "b/c.bin": b"\0" * (3 << 20), "b/empty": b""}
    manifest = store.publish(made(tmp_path / "made", files))
    assert store.has(manifest.digest)
    assert store.manifest(manifest.digest) == manifest
    assert store.verify(manifest.digest) == []
    store.fetch(manifest.digest, tmp_path / "out" / "copy")
    assert content(tmp_path / "out" / "copy") == files
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["copy"]


@settings(max_examples=40, deadline=None)
@given(files=FILES, local=st.booleans())
def test_any_folder_comes_back_as_it_was(files: dict[str, bytes], local: bool) -> None:
    paths = set(files)
    files = {
        path: data
        for path, data in files.items()
        if not any(other.startswith(path + "/") for other in paths)
    }
    with tempfile.TemporaryDirectory() as place:
        folder = made(Path(place, "made"), files)
        store = Store(str(Path(place, "store")) if local else memory())
        digest = store.publish(folder).digest
        assert store.publish(folder).digest == digest
        store.fetch(digest, Path(place, "copy"))
        assert content(Path(place, "copy")) == files
        assert store.verify(digest) == []


def test_one_file_is_an_artifact_of_its_name(store: Store, tmp_path: Path) -> None:
    manifest = store.publish(made(tmp_path, {"report.html": b"<p>"}) / "report.html")
    assert [file.path for file in manifest.files] == ["report.html"]


def test_identical_content_is_stored_once_and_not_written_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = store.publish(made(tmp_path / "one", {"a": b"same", "b": b"same"}))
    (kept,) = (tmp_path / "store/objects").glob("*/*")
    node = kept.stat().st_ino
    second = store.publish(made(tmp_path / "two", {"c": b"same"}))
    assert first.digest != second.digest
    assert list((tmp_path / "store/objects").glob("*/*")) == [kept]
    assert kept.stat().st_ino == node


def test_a_copy_cannot_change_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    digest = store.publish(made(tmp_path / "made", {"a": b"one"})).digest
    store.fetch(digest, tmp_path / "copy")
    (tmp_path / "copy/a").write_bytes(b"two")
    assert store.verify(digest) == []


def test_a_flipped_byte_is_found_named_and_not_fetched(store: Store, tmp_path: Path) -> None:
    manifest = store.publish(made(tmp_path / "made", {"a": b"left", "b/c": b"flip", "d": b"flip"}))
    tampered(store, object_path(digest_of(b"flip")), b"flop")
    problems = store.verify(manifest.digest)
    assert [problem.path for problem in problems] == ["b/c", "d"]
    assert "no longer matches its digest" in problems[0].text
    with pytest.raises(ArtifactError, match=r"b/c: no longer matches .* publish again"):
        store.fetch(manifest.digest, tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "store") == ["made"]


def test_a_missing_or_shorter_file_is_found_and_brought_back(store: Store, tmp_path: Path) -> None:
    folder = made(tmp_path / "made", {"a": b"left", "b": b"gone", "c": b"shorter"})
    digest = store.publish(folder).digest
    store.storage.remove(object_path(digest_of(b"gone")))
    tampered(store, object_path(digest_of(b"shorter")), b"short")
    assert [problem.path for problem in store.verify(digest)] == ["b", "c"]
    with pytest.raises(ArtifactMissing):
        store.fetch(digest, tmp_path / "copy")
    store.publish(folder)
    assert store.verify(digest) == []


def test_a_damaged_manifest_is_found_and_not_believed(store: Store, tmp_path: Path) -> None:
    digest = store.publish(made(tmp_path / "made", {"a": b"one"})).digest
    tampered(store, manifest_path(digest), Manifest([]).encoded())
    (problem,) = store.verify(digest)
    assert problem == Problem("", problem.text)
    with pytest.raises(ArtifactError, match="no longer matches its digest"):
        store.fetch(digest, tmp_path / "copy")


@pytest.mark.parametrize(
    "paths",
    [
        ["../x"],
        ["a/../../x"],
        ["/x"],
        ["a//x"],
        ["./x"],
        ["a", "a/x"],
        ["x", "x"],
        ["a\0"],
        ["é\n"],
    ],
)
def test_a_hostile_manifest_writes_nothing(store: Store, tmp_path: Path, paths: list[str]) -> None:
    data = b"hostile"
    store.storage.write(object_path(digest_of(data)), [data])
    manifest = Manifest([FileDigest(path, digest_of(data), len(data)) for path in paths])
    store.storage.write(manifest_path(manifest.digest), [manifest.encoded()])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ArtifactError, match="its manifest"):
        store.fetch(manifest.digest, tmp_path / "deep" / "copy")
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/x").exists()


@pytest.mark.parametrize("text", [b"{}", b'{"files":[{"path":"a","digest":"md5:1","size":0}]}'])
def test_what_is_no_manifest_is_refused(store: Store, tmp_path: Path, text: bytes) -> None:
    store.storage.write(manifest_path(digest_of(text)), [text])
    with pytest.raises(ArtifactError, match="is no manifest"):
        store.fetch(digest_of(text), tmp_path / "copy")


@pytest.mark.parametrize("digest", ["", "sha256:../../x", "sha256:" + "A" * 64, "ab" * 32])
def test_what_is_no_digest_is_refused(store: Store, digest: str) -> None:
    with pytest.raises(ArtifactError, match="is no digest"):
        store.has(digest)


def test_an_unknown_artifact_is_missing(store: Store, tmp_path: Path) -> None:
    digest = digest_of(b"unknown")
    assert not store.has(digest)
    assert [problem.path for problem in store.verify(digest)] == [""]
    with pytest.raises(ArtifactMissing, match="is not in"):
        store.fetch(digest, tmp_path / "copy")


def test_a_folder_that_is_there_is_never_written_over(store: Store, tmp_path: Path) -> None:
    digest = store.publish(made(tmp_path / "made", {"a": b"one"})).digest
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for there in ("made", "link"):
        with pytest.raises(ArtifactError, match="is there already"):
            store.fetch(digest, tmp_path / there)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = made(tmp_path / "made", {"a": b"one"})
    with pytest.raises(ArtifactError, match=r"cannot be .* name another store"):
        Store(tmp_path / "file" / "store").publish(folder)
    with pytest.raises(ArtifactError, match="is no store that can be reached"):
        Store("nosuchprotocol://x")


def test_what_nobody_needs_is_shown_first_and_then_removed(store: Store, tmp_path: Path) -> None:
    kept = store.publish(made(tmp_path / "kept", {"a": b"shared", "b": b"kept"})).digest
    gone = store.publish(made(tmp_path / "gone", {"a": b"shared", "c": b"four"}))
    store.storage.write("temporary/" + "0" * 32, [b"half-made"])
    store.storage.write("objects/ab/README", [b"somebody's own"])
    assert store.remove_unneeded({kept}, dry_run=False).size == 0  # all is young
    shown = store.remove_unneeded({kept}, dry_run=True, older_than=0)
    assert (shown.artifacts, shown.objects, shown.leftovers) == ([gone.digest], 1, 1)
    assert shown.size == len(gone.encoded()) + len(b"four") + len(b"half-made")
    assert store.has(gone.digest)
    assert store.remove_unneeded({kept}, dry_run=False, older_than=0) == shown
    assert not store.has(gone.digest)
    assert store.verify(kept) == []
    assert store.storage.size("objects/ab/README") is not None
    assert store.remove_unneeded({kept}, dry_run=True, older_than=0).size == 0


def test_what_a_publisher_found_there_is_young_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    folder = made(tmp_path / "made", {"a": b"one"})
    digest = store.publish(folder).digest
    for path in (object_path(digest), manifest_path(digest)):
        if (tmp_path / "store" / path).exists():
            os.utime(tmp_path / "store" / path, (0, 0))
    os.utime(tmp_path / "store" / object_path(digest_of(b"one")), (0, 0))
    assert store.remove_unneeded((), dry_run=True).artifacts == [digest]
    store.publish(folder)
    assert store.remove_unneeded((), dry_run=False).size == 0
    assert store.verify(digest) == []


def test_nothing_is_removed_while_a_needed_artifact_cannot_be_read(
    store: Store, tmp_path: Path
) -> None:
    kept = store.publish(made(tmp_path / "kept", {"a": b"one"})).digest
    tampered(store, manifest_path(kept), b"damaged")
    with pytest.raises(ArtifactError, match="no longer matches"):
        store.remove_unneeded({kept}, dry_run=False, older_than=0)
    assert store.storage.size(object_path(digest_of(b"one"))) == 3


def test_what_is_published_is_registered_as_the_agent_reads_it(tmp_path: Path) -> None:
    import msgspec

    parents = [Parent(digest_of(b"data"), "data")]
    line = publish_and_describe(
        str(tmp_path / "store"),
        made(tmp_path / "made", {"a": b"one"}),
        "reviews",
        "dataset",
        parents=parents,
        metrics={"accuracy": 0.5, "loss": float("nan")},
        aliases=["champion"],
    )
    progress = Progress(tmp_path / "rank-0.jsonl")
    progress.register(line)
    progress.close()
    (text,) = (tmp_path / "rank-0.jsonl").read_text().splitlines()
    assert json.loads(text)["what"] == "artifact"
    said = msgspec.json.decode(text, type=ArtifactLine)
    assert said == msgspec.structs.replace(line, metrics={"accuracy": 0.5})
    assert (said.files, said.size, said.parents) == (1, 3, parents)
    assert Store(said.uri).verify(said.digest) == []


def test_a_name_that_is_off_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder = made(tmp_path / "made", {"a": b"one"})
    with pytest.raises(ArtifactError, match="name of the artifact"):
        publish_and_describe(str(tmp_path / "store"), folder, "../x", "dataset")
    assert not (tmp_path / "store").exists()


def test_the_room_loads_neither_torch_nor_fsspec() -> None:
    code = """
import sys
import llmos.engine.artifacts.publish, llmos.engine.artifacts.transformersfolder
print({"torch", "fsspec", "numpy", "aiohttp"} & set(sys.modules))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
