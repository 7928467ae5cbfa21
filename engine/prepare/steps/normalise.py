"""Makes texts that look the same be the same: Unicode's NFC, without mojibake and stray controls.

Mojibake, text that was decoded in a wrong encoding, is mended by ftfy (R. Speer, "ftfy", 2019,
doi:10.5281/zenodo.2591652). Quotes stay as they are: curly ones are no mistake.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from .outcome import Outcome

if TYPE_CHECKING:
    from ftfy import TextFixerConfig

CONTROLS: Final = {code: None for code in (*range(32), 127) if chr(code) not in "\t\n\f\r"}
USUAL: Final = re.compile(
    "[\t\n -~\u00a0-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e\u0370-\u0482\u048a-\u052f"
    "\u05d0-\u05ea\u0621-\u064a\u0904-\u0939\u2010-\u2027\u20ac\u3041-\u3096\u30a1-\u30fa"
    "\u4e00-\u9fff\uac00-\ud7a3]*"
)
"""Letters and marks that ftfy leaves alone: no ligatures, no wide forms, no controls."""

LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
CONTROL: Final = re.compile(r"[\0-\x08\x0b\r-\x1f\x7f]")
PLAIN: Final = str.maketrans({**CONTROLS, "\r": "\n"})


class Normalise:
    """Changes texts, and drops none but those that held controls only."""

    name = "normalise"

    def __call__(self, texts: Sequence[str]) -> list[Outcome]:
        """What becomes of each text."""
        return [_outcome(normalised(text)) for text in texts]


def normalised(text: str) -> str:
    """The text as one would have written it."""
    if text.isascii():
        return _ascii(text)
    # ftfy looks at each line by itself, too.
    return "".join(map(_line, LINE.findall(text.replace("\r\n", "\n"))))


def _outcome(text: str) -> Outcome:
    return Outcome(text) if text.strip() else Outcome(None, "nothing but control characters")


def _line(line: str) -> str:
    if line.isascii():
        return _ascii(line)
    from ftfy import fix_text
    from ftfy.badness import is_bad

    if USUAL.fullmatch(line) and unicodedata.is_normalized("NFC", line) and not is_bad(line):
        return line
    return fix_text(line, _settings())


def _ascii(text: str) -> str:
    """Without mojibake, which needs letters beyond ASCII. This is what ftfy would do, faster."""
    return text.replace("\r\n", "\n").translate(PLAIN) if _has_controls(text) else text


def _has_controls(text: str) -> bool:
    return CONTROL.search(text) is not None


@cache
def _settings() -> "TextFixerConfig":
    from ftfy import TextFixerConfig

    return TextFixerConfig(unescape_html=False, uncurl_quotes=False, normalization="NFC")
