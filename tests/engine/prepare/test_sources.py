"""Every format gives its rows with their places; what is no row is kept aside."""

import bz2
import gzip
import lzma
import sqlite3
from email.message import EmailMessage
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from llmos.agents.errors import SpecError
from llmos.engine.prepare.paths import found_files
from llmos.engine.prepare.plan import piece_of, planned
from llmos.engine.prepare.rows import Aside, Record
from llmos.engine.prepare.sources.formats import records
from llmos.engine.prepare.sources.mapping import by_rules
from llmos.engine.prepare.spec import Prepare, Rule, Source


def read(path: Path, **said: object) -> tuple[dict[str, str], dict[str, str]]:
    """Texts and reasons, by place."""
    source = Source(name="s", path=str(path), **said)  # type: ignore[arg-type]
    (file,) = found_files(source, "$")
    rows: dict[str, str] = {}
    aside: dict[str, str] = {}
    for found in records(piece_of(file, source), source):
        if isinstance(found, Record):
            rows[found.at] = str(found.values.get("text"))
        else:
            aside[found.at] = found.why
    return rows, aside


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_jsonl(tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"text": "a"}',
        b"",
        b'{"text": ',
        b"[1]",
        b'{"text": "\xff"}',
        b'{"text": "z"}',
    ]
    rows, aside = read(written(tmp_path / "a.jsonl", b"\r\n".join(lines)))
    assert rows == {"1": "a", "6": "z"}
    assert set(aside) == {"3", "4", "5"}
    assert aside["4"] == "is no JSON object"


def test_a_line_that_is_too_long_is_never_held(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "a"}\n{"text": "')
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"text": "z"}\n')
    tracemalloc.start()
    rows, aside = read(path, longest=1000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == {"1": "a", "3": "z"}
    assert aside == {"2": "has 67,108,877 bytes, more than `longest` = 1,000"}
    assert most < 16 << 20


def test_csv_with_broken_rows(tmp_path: Path) -> None:
    content = (
        b'text,n\n"two\nlines",1\nplain,2\ntoo,many,3\n"never closed,4\nafter,5\n'
        b'12" pipe,6\nna\xefve,7\nlast,8'
    )
    rows, aside = read(written(tmp_path / "a.csv", content))
    assert rows == {"2": "two\nlines", "4": "plain", "7": "after", "10": "last"}
    assert aside["5"] == "has 3 fields, expected 2"
    assert set(aside) == {"5", "6", "8", "9"}
    assert aside["9"].startswith("is not utf-8 at byte")
    rows, aside = read(tmp_path / "a.csv", encoding="latin-1")
    assert rows["9"] == "naïve"


def test_tsv_and_a_delimiter_of_ones_own(tmp_path: Path) -> None:
    assert read(written(tmp_path / "a.tsv", b"text\tn\na,b\t1\n"))[0] == {"2": "a,b"}
    path = written(tmp_path / "b.csv", b"text;n\na,b;1\n")
    assert read(path, delimiter=";")[0] == {"2": "a,b"}


def test_a_head_that_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="names a column twice"):
        read(written(tmp_path / "a.csv", b"text,text\n1,2\n"))


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b"], "other": [1, 2]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == ({"1": "a", "2": "b"}, {})
    with pytest.raises(SpecError, match="cannot be read as Parquet"):
        read(written(tmp_path / "b.parquet", b"PAR1 and nothing more"))


def test_text_keeps_aside_what_is_in_another_encoding(tmp_path: Path) -> None:
    assert read(written(tmp_path / "a.txt", "häh\n".encode()))[0] == {"": "häh\n"}
    _, aside = read(written(tmp_path / "b.txt", "häh\n".encode("latin-1")))
    assert aside == {"": "is not utf-8 at byte 1"}
    assert read(written(tmp_path / "c.txt", "häh".encode("utf-16")), encoding="utf-16")[0] == {
        "": "häh"
    }


def test_html_gives_what_a_reader_sees(tmp_path: Path) -> None:
    page = (
        b'<html><head><meta charset="latin-1"><title>T</title><style>p {}</style></head>'
        b"<body><p>caf\xe9 &amp; <b>bar</b></p><script>no()</script><p>two</body></html>"
    )
    assert read(written(tmp_path / "a.html", page))[0] == {"": "café & bar\n\ntwo"}


def test_mail(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"] = "Grüße"
    message["From"] = "a@example.org"
    message.set_content("plain words")
    message.add_alternative("<p>rich words</p>", subtype="html")
    rows, _ = read(written(tmp_path / "a.eml", message.as_bytes()))
    assert rows[""].split() == ["Grüße", "plain", "words"]


def test_a_mail_that_only_has_html(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"] = "S"
    message.set_content("<p>rich <i>words</i></p>", subtype="html")
    assert read(written(tmp_path / "a.eml", message.as_bytes()))[0] == {"": "S\n\nrich words"}


def test_sqlite(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as base:
        base.execute("CREATE TABLE mails (text TEXT, n INTEGER)")
        base.execute("INSERT INTO mails VALUES ('a', 1), (CAST(x'ff41' AS TEXT), 2), ('c', 3)")
    base.close()
    rows, aside = read(tmp_path / "a.db")
    assert rows == {"1": "a", "3": "c"}
    assert aside == {"2": "column text is not utf-8 at byte 0"}
    with pytest.raises(SpecError, match='has no table "mail", did you mean "mails"'):
        read(tmp_path / "a.db", table="mail")
    with pytest.raises(SpecError, match="cannot be read as an SQLite database"):
        read(written(tmp_path / "b.db", b"no database at all" * 100))


def test_a_module() -> None:
    source = Source(name="s", path="module:pydoc_data.topics")
    (file,) = found_files(source, "$")
    found = [r for r in records(piece_of(file, source), source) if not isinstance(r, Aside)]
    assert "while" in {record.at for record in found}


def test_a_source_that_vanishes_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"text": "a"}\n{"text": "b"}\n')
    source = Source(name="mails", path=str(path))
    reading = records(piece_of(found_files(source, "$")[0], source), source)
    next(reading)
    path.unlink()
    with pytest.raises(SpecError, match=r"source mails: .*a\.jsonl cannot be read any more"):
        list(reading)


def test_a_source_that_changes_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"text": "a"}\n')
    source = Source(name="mails", path=str(path))
    piece = piece_of(found_files(source, "$")[0], source)
    path.write_bytes(b'{"text": "b"}\n{"text": "c"}\n')
    with pytest.raises(SpecError, match="changed while it was read"):
        list(records(piece, source))


def test_a_long_file_is_cut_at_line_ends_and_keeps_its_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"text": "{"x" * (n % 977)}"}}\n' for n in range(9000)))
    source = Source(name="s", path=str(path))
    plan = planned(Prepare(sources=[source], shard=1 << 20))
    assert len(plan.shards) > 2
    places = [
        int(found.at)
        for shard in plan.shards
        for piece in shard.pieces
        for found in records(piece, source)
        if isinstance(found, Record)
    ]
    assert places == list(range(1, 9001))


def test_a_folder_is_taken_by_what_is_known_in_it(tmp_path: Path) -> None:
    for name in ("b/x.jsonl", "a/y.csv", "a/z.bin", ".hidden/w.csv"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text("text\n")
    found = found_files(Source(name="s", path=str(tmp_path / "in")), "$")
    assert [(file.name, file.format) for file in found] == [
        ("in/a/y.csv", "csv"),
        ("in/b/x.jsonl", "jsonl"),
    ]
    every = found_files(Source(name="s", path=str(tmp_path / "in"), format="text"), "$")
    assert [file.name for file in every] == ["in/a/y.csv", "in/a/z.bin", "in/b/x.jsonl"]


def test_compressed_files_are_read_through(tmp_path: Path) -> None:
    lines = b"".join(b'{"text": "row %d"}\n' % number for number in range(3000))
    for suffix, module in ((".gz", gzip), (".bz2", bz2), (".xz", lzma)):
        path = written(tmp_path / f"a.jsonl{suffix}", module.compress(lines))
        rows, aside = read(path)
        assert len(rows) == 3000
        assert rows["3000"] == "row 2999"
        assert not aside
    source = Source(name="s", path=str(tmp_path))
    assert [file.format for file in found_files(source, "$")] == ["jsonl"] * 3
    asked = Prepare(sources=[source], shard=1024)
    assert all(piece.end == -1 for shard in planned(asked).shards for piece in shard.pieces)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_a_compressed_file_that_is_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    module = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[suffix]
    whole = module.compress(b'{"text": "row"}\n' * 5000)
    path = written(tmp_path / f"a.jsonl{suffix}", whole[: len(whole) // 2])
    with pytest.raises(SpecError, match=rf"a.jsonl{suffix} cannot be read any more: "):
        read(path)


def test_a_function_of_a_module_gives_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ownrows.py").write_text("def some():\n    yield {'text': 'a'}\n    yield 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    source = Source(name="s", path="module:ownrows:some")
    (file,) = found_files(source, "$")
    first, second = records(piece_of(file, source), source)
    assert isinstance(first, Record)
    assert first.values == {"text": "a"}
    assert isinstance(second, Aside)
    assert (second.at, second.why) == ("2", "is no dict")
    wrong = Source(name="s", path="module:ownrows:others")
    (file,) = found_files(wrong, "$")
    with pytest.raises(SpecError, match="module:ownrows:others: has no function others"):
        list(records(piece_of(file, wrong), wrong))


def test_rules_vote_for_a_label() -> None:
    rules = [
        Rule(label="spam", pattern="(?i)free"),
        Rule(label="spam", pattern=r"\$\d"),
        Rule(label="ham", pattern="meeting"),
    ]
    assert by_rules("FREE for $5 at the meeting", rules) == "spam"
    assert by_rules("free meeting", rules) is None
    assert by_rules("nothing", rules) is None
    assert by_rules("a meeting", rules) == "ham"
