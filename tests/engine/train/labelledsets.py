"""Datasets of texts and of images, as `prepare` writes them, small enough for a test."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from PIL import Image
from pyarrow import parquet
from xxhash import xxh3_128_hexdigest

Rows = list[tuple[Any, str | None]]
"""Value and label."""


def write_dataset(
    folder: Path, column: str, parts: dict[str, Rows], labels: list[str] | None
) -> Path:
    """A dataset's folder."""
    folder.mkdir(parents=True)
    described: dict[str, Any] = {
        "format": 1,
        "columns": {column: "string" if column == "text" else "binary", "label": "string"},
        "label": "label",
        "labels": labels,
        "parts": {},
        "report": "report.json",
    }
    for part, rows in parts.items():
        name = f"{part}-00000.parquet"
        parquet.write_table(_table(column, rows), folder / name)
        described["parts"][part] = {"rows": len(rows), "files": [name]}
    (folder / "dataset.json").write_text(json.dumps(described))
    (folder / "report.json").write_text("{}")
    return folder


def reviews(number: int, seed: int = 0) -> Rows:
    """Texts whose class one word tells, of many lengths."""
    random = np.random.default_rng(seed)
    rows: Rows = []
    for place in range(number):
        label = ("good", "bad")[place % 2]
        words = random.choice(["the", "tea", "came", "in", "a", "box"], random.integers(2, 30))
        told = {"good": "lovely", "bad": "awful"}[label]
        rows.append((f"{told} {' '.join(words)} {place}", label))
    return rows


def pictures(number: int, seed: int = 0) -> Rows:
    """Dark and bright images as PNG."""
    random = np.random.default_rng(seed)
    rows: Rows = []
    for place in range(number):
        label = ("dark", "bright")[place % 2]
        low = {"dark": 0, "bright": 160}[label]
        pixels = random.integers(low, low + 90, (10, 12), dtype=np.uint8)
        rows.append((png(pixels), label))
    return rows


def png(pixels: Any) -> bytes:
    """The file of an image."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _table(column: str, rows: Rows) -> pa.Table:
    values = [value for value, _ in rows]
    ids = [
        xxh3_128_hexdigest(f"{place}{value!r}".encode())[:16] for place, value in enumerate(values)
    ]
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "source": pa.array(["test"] * len(rows), pa.string()),
            column: pa.array(values, pa.string() if column == "text" else pa.binary()),
            "label": pa.array([label for _, label in rows], pa.string()),
        }
    )
