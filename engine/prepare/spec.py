"""The kind `prepare`: raw files in, a clean dataset in parts out, and a report of what was done."""

import codecs
import re
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from ...agents.errors import SpecError
from ...agents.protocol.jobs import Program
from ..artifacts.inputs import is_artifact
from ..catalog import Spec
from ..nearest import hint
from .paths import checked_entries, found_files
from .sources.formats import columns_of

NAME: Final = r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=NAME,
        extra_json_schema={"description": "a name of letters, digits, dots, _ and -"},
    ),
]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
Format = Literal["auto", "jsonl", "csv", "parquet", "text", "html", "mail", "sqlite"]
StepName = Literal["normalise", "quality", "contamination", "personal", "exact", "near", "balance"]
USUAL: Final[tuple[StepName, ...]] = ("normalise", "exact")
ENGLISH: Final = ("the", "be", "to", "of", "and", "that", "have", "with")
"""The stop words of Gopher's rules."""

OWN: Final = ("id", "source", "place")
"""Columns that every row gets; no mapping can write them."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pattern that speaks for a label."""

    label: Annotated[str, msgspec.Meta(min_length=1)]
    pattern: Annotated[str, msgspec.Meta(min_length=1)]
    """A regular expression of Python's, looked for anywhere in the text; (?i) at its beginning
    makes it blind to case."""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where rows come from, and on what terms."""

    name: Name
    """Stands in the column `source` of each row."""

    path: str | list[str]
    """Files, folders and globs, relative ones from the submitter's working directory; a relative
    path after "stdlib:" starts from Python's own library. "module:NAME" is a Python module with a
    table of texts under its own last name, as "module:pydoc_data.topics"; "module:NAME:FUNCTION"
    is a function of it, without arguments, that gives rows as dicts. "artifact:NAME[@X]" is a
    dataset that was prepared before, all parts of it."""

    format: Format = "auto"
    """What the files are. "auto" goes by their suffixes, and takes of a folder what it knows; with
    a format named, all files of a folder are taken."""

    licence: str = "unknown"
    """On what terms the data may be used, for the report; an SPDX name at best."""

    weight: Annotated[float, msgspec.Meta(gt=0, le=100)] = 1.0
    """How often its rows stand in the train part: 0.5 takes every second one, 2 takes each twice.
    Other parts have each row once."""

    columns: dict[str, str] = {}
    """Which column of the files is which of the dataset, as {text = "Review", label = "Class"}.
    What is not named here is left out, but `text`."""

    part: Literal["any", "train", "valid", "test"] = "any"
    """Where all of its rows go, as those of a published test part; "any" lets `split` decide. Of
    rows that are alike the first stays: a test part is best named before what is trained on."""

    label_from: Literal["column", "folder", "source", "rules"] = "column"
    """Either "column": what `columns` names, if anything; "folder": the name of the folder that a
    file lies in; "source": the name of the source; or "rules": the label for which most of `rules`
    speak. A row for which none speaks, or two labels alike, is kept aside."""

    rules: list[Rule] = []
    """By which rows are labelled."""

    encoding: str = "utf-8"
    """Of the files, as Python names it. Rows that are not in it are kept aside."""

    delimiter: str | None = None
    """Between the fields of CSV; by default a comma, and a tab in *.tsv."""

    table: str | None = None
    """Of a database; by default its only one."""

    longest: Annotated[int, msgspec.Meta(ge=1, le=1 << 30)] = 1 << 24
    """Bytes of a row. A longer one is kept aside."""

    @property
    def text_column(self) -> str:
        """The files' column that holds the text."""
        return self.columns.get("text", "text")

    @property
    def has_label(self) -> bool:
        """Whether its rows have one."""
        return self.label_from != "column" or "label" in self.columns


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of Gopher (Rae et al. 2021, appendix A.1), with the bounds given there."""

    fewest_words: Annotated[int, msgspec.Meta(ge=0)] = 50
    most_words: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    shortest_mean: Annotated[float, msgspec.Meta(ge=0)] = 3.0
    """Characters of a word, on average."""

    longest_mean: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    most_symbols: Annotated[float, msgspec.Meta(ge=0)] = 0.1
    """"#" and ellipses, for each word."""

    most_bullets: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.9
    """Share of lines that begin with one."""

    most_ellipses: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3
    """Share of lines that end with one."""

    fewest_alphabetic: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8
    """Share of words with a letter in them."""

    stop_words: list[str] = msgspec.field(default_factory=lambda: list(ENGLISH))
    """English by default; an empty list for other languages."""

    fewest_stop_words: Annotated[int, msgspec.Meta(ge=0)] = 2
    """How many of them a text has at least, if there are any."""

    repetition: bool = True
    """Whether texts that repeat their lines, paragraphs or runs of words go, too."""


class Near(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when on two texts count as one."""

    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.72
    """Jaccard similarity of their runs of words."""

    words: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    """Of a run."""

    permutations: Annotated[int, msgspec.Meta(ge=8, le=1024)] = 128
    """More tell the similarity better and take longer."""


class Contamination(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Texts that a model will be judged on, so that it must not have read them."""

    against: list[str] = []
    """Files of them, as in a source's `path`."""

    column: str = "text"
    """Of those files."""

    words: Annotated[int, msgspec.Meta(ge=1, le=100)] = 13
    """A run of so many in common is contamination (Brown et al. 2020, appendix C)."""


class Balance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How unequal the labels of the train part may be. Other parts stay as they are found."""

    most: Annotated[float, msgspec.Meta(ge=1)] = 1.0
    """Rows of a label, as a multiple of those of the rarest."""


class Split(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the rows is for training, what for choosing, and what for the last judgement."""

    by: Literal["hash", "group", "stratified"] = "hash"
    """Either "hash": each row by its own text; "group": rows that agree in the column `group` stay
    together; or "stratified": the same shares of every label. With the first two a row never
    changes its part when data are added; with the third those near the border may."""

    group: str | None = None
    """A column of the dataset."""

    valid: Share = 0.1
    test: Share = 0.1
    seed: Seed = 0

    def __post_init__(self) -> None:
        if self.valid + self.test >= 1:
            raise ValueError("expected shares of valid and test that leave something to train on")
        if (self.by == "group") != (self.group is not None):
            raise ValueError('expected `group` with by = "group", and only there')


class Prepare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes a dataset, and by which steps."""

    sources: list[Source]
    dataset: Name = "dataset"
    """What the artifact is called."""

    steps: list[StepName] = msgspec.field(default_factory=lambda: list(USUAL))
    """What is done to the rows; always in the order normalise, quality, contamination, personal,
    exact, near, balance. What is left is divided into parts."""

    quality: Quality = Quality()
    near: Near = Near()
    contamination: Contamination = Contamination()
    balance: Balance = Balance()
    split: Split = Split()

    shard: Annotated[int, msgspec.Meta(ge=1 << 10, le=1 << 40)] = 1 << 23
    """Bytes that a rank reads at a time, about, and what another attempt need not do again."""

    samples: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    """Rows of each step that the report shows."""


class PrepareSpec(Spec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A spec of the kind `prepare`."""

    kind: Literal["prepare"] = "prepare"
    prepare: Prepare
    """What becomes a dataset, and by which steps."""


SPEC: Final = PrepareSpec


def resolve(spec: Spec, folder: Path) -> Spec:
    """The spec with absolute paths; its files have been found, and columns where that is quick.

    Raises:
        SpecError: a file that is missing, a column that is not there, or tables that contradict
            each other.
    """
    assert isinstance(spec, PrepareSpec)  # noqa: S101 - the catalog gives each kind its own
    asked = spec.prepare
    if not asked.sources:
        raise SpecError("$.prepare.sources: expected at least one")
    sources = [_source(source, number, folder) for number, source in enumerate(asked.sources)]
    _check_together(asked)
    against = checked_entries(
        asked.contamination.against, "$.prepare.contamination.against", folder
    )
    resources = spec.resources
    if resources.gpus is None:
        # No step computes on one, and a job that names none would get one for each rank.
        resources = msgspec.structs.replace(resources, gpus=0)
    return msgspec.structs.replace(
        spec,
        resources=resources,
        prepare=msgspec.structs.replace(
            asked,
            sources=sources,
            contamination=msgspec.structs.replace(asked.contamination, against=against),
        ),
    )


def program(_spec: Spec) -> Program:
    """What each rank runs: the engine's one door."""
    return Program(arguments=["-m", "llmos.engine", "prepare"])


def _source(source: Source, number: int, folder: Path) -> Source:
    where = f"$.prepare.sources[{number}]"
    _check_encoding(source, where)
    _check_mapping(source, where)
    _check_rules(source, where)
    entries = [source.path] if isinstance(source.path, str) else source.path
    source = msgspec.structs.replace(source, path=checked_entries(entries, f"{where}.path", folder))
    if any(map(is_artifact, entries)):
        return source
    first = found_files(source, where)[0]
    known = columns_of(first.path, first.format, source, quick=True)
    if known is not None:
        check_columns(source, known, where, first.path)
    return source


def check_columns(source: Source, known: list[str], where: str, path: str) -> None:
    """Nothing, if a file has all columns that its source names.

    Raises:
        SpecError: a column that it has not; the nearest name is given.
    """
    for name, column in {"text": "text", **source.columns}.items():
        if column not in known:
            raise SpecError(f"{where}.columns.{name}: {path} has no column {hint(column, known)}")


def _check_encoding(source: Source, where: str) -> None:
    try:
        newline = "\n".encode(codecs.lookup(source.encoding).name)
    except (LookupError, UnicodeError):
        raise SpecError(
            f'{where}.encoding: expected an encoding of Python\'s, got "{source.encoding}"'
        ) from None
    if newline != b"\n" and source.format not in ("text", "html"):
        raise SpecError(
            f"{where}.encoding: {source.encoding} has no line ends of one byte; only the formats "
            "text and html can be read in it"
        )
    if source.delimiter is not None and len(source.delimiter) != 1:
        raise SpecError(f'{where}.delimiter: expected one character, got "{source.delimiter}"')


def _check_rules(source: Source, where: str) -> None:
    if (source.label_from == "rules") != bool(source.rules):
        raise SpecError(f'{where}.rules: expected some exactly if label_from is "rules"')
    for number, rule in enumerate(source.rules):
        try:
            re.compile(rule.pattern)
        except re.error as error:
            raise SpecError(f"{where}.rules[{number}].pattern: {error}") from None


def _check_mapping(source: Source, where: str) -> None:
    for name in source.columns:
        if name in OWN or not name.isidentifier():
            raise SpecError(
                f"{where}.columns: {name!r} cannot be a column of the dataset; each row has "
                f"{', '.join(OWN)} already, and a name is letters, digits and _"
            )
    if source.label_from != "column" and "label" in source.columns:
        raise SpecError(
            f'{where}.columns.label: contradicts label_from = "{source.label_from}"; take one away'
        )


def _check_together(asked: Prepare) -> None:
    names = [source.name for source in asked.sources]
    if len(set(names)) != len(names):
        raise SpecError("$.prepare.sources: expected names that differ")
    if ("contamination" in asked.steps) != bool(asked.contamination.against):
        raise SpecError(
            '$.prepare.contamination.against: expected files exactly if steps has "contamination"'
        )
    needs_label = {"balance": "balance" in asked.steps, "split.by": asked.split.by == "stratified"}
    for number, source in enumerate(asked.sources):
        for key, needed in needs_label.items():
            if needed and not source.has_label:
                raise SpecError(
                    f"$.prepare.{key}: needs labels; say in $.prepare.sources[{number}] which "
                    "column is the label, or label_from"
                )
        if asked.split.group is not None and asked.split.group not in source.columns:
            raise SpecError(
                f"$.prepare.split.group: $.prepare.sources[{number}].columns has no "
                f"{hint(asked.split.group, source.columns)}"
            )
