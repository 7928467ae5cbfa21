"""Masks what points to a person: addresses of mail and of machines, numbers of cards and phones.

Rules find what has a form. Names and street addresses have none and are not found.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from .outcome import Outcome

FEWEST_DIGITS, MOST_DIGITS = 8, 15
"""Of a phone number with its area or country: few are shorter, and E.164 allows no longer one."""


class Finding(msgspec.Struct, frozen=True):
    """One sort of data, and how it shows."""

    name: str
    mask: str
    hint: Callable[[str], bool]
    """Whether a text can hold any, quickly."""

    form: re.Pattern[str]
    holds: Callable[[str], bool]
    """Whether what has the form is what it looks like."""


class Personal:
    """Changes texts, and drops none."""

    name = "personal"

    def __call__(self, texts: Sequence[str]) -> list[Outcome]:
        """What becomes of each text."""
        return [Outcome(text, counts=counts) for text, counts in map(masked, texts)]


def masked(text: str) -> tuple[str, Counter[str]]:
    """The text with a word in angle brackets for each finding, and how many of each sort."""
    counts: Counter[str] = Counter()
    for finding in FINDINGS:
        if finding.hint(text):
            text = finding.form.sub(partial(_masked, finding, counts), text)
    return text, counts


def luhn(number: str) -> bool:
    """Whether a card number's check digit is right (ISO/IEC 7812-1, annex B).

    Args:
        number: digits, and spaces or hyphens between them.
    """
    digits = [int(character) for character in reversed(number) if character.isdecimal()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _masked(finding: Finding, counts: Counter[str], found: re.Match[str]) -> str:
    if not finding.holds(found[0]):
        return found[0]
    counts[finding.name] += 1
    return finding.mask


def _is_card(number: str) -> bool:
    digits = [character for character in number if character.isdecimal()]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and luhn(number)


def _is_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.version == 6 and max(map(len, text.split(":"))) < 3:
        return False  # a slice, as 0::2
    # 127.0.0.1, 0.0.0.0, ::1 and the like are everyone's.
    return not (address.is_loopback or address.is_unspecified)


def _is_phone(text: str) -> bool:
    return FEWEST_DIGITS <= sum(map(str.isdecimal, text)) <= MOST_DIGITS


ADDRESSES: Final = re.compile(r"\d\.\d{1,3}\.\d|:[0-9a-fA-F]{0,4}:")
GROUPS: Final = re.compile(r"\d[\d ().-]{5}")
"""What a text has in it if it holds any number of some length: looked for before all else."""

FINDINGS: Final = (
    Finding(
        "email",
        "<EMAIL>",
        lambda text: "@" in text,
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])"),
        lambda _: True,
    ),
    Finding(
        "ip",
        "<IP>",
        lambda text: ADDRESSES.search(text) is not None,
        re.compile(
            r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)"
            r"|(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}(?![\w:]))"
        ),
        _is_address,
    ),
    Finding(
        "card",
        "<CARD>",
        lambda text: GROUPS.search(text) is not None,
        # In one piece or in the groups that are printed on cards: not any row of numbers.
        re.compile(
            r"(?<![\w.-])(?:[2-6]\d{12,18}|[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{1,7}"
            r"|3\d{3}([ -])\d{6}\2\d{4,5})(?![\w-])"
        ),
        _is_card,
    ),
    Finding(
        "phone",
        "<PHONE>",
        lambda text: GROUPS.search(text) is not None,
        re.compile(
            r"(?<![\w.+/-])(?:\+[1-9]\d{0,2}(?:[ -]?\(?\d{1,4}\)?){2,5}"
            r"|\+[1-9]\d{0,2}(?:\.\d{2,4}){3,4}"
            r"|\(\d{2,4}\)[ .-]?\d{3,4}[ .-]\d{3,4}"
            r"|\d{3}([.-])\d{3}\1\d{4})(?![\w/-])"
        ),
        _is_phone,
    ),
)
"""In the order in which they are looked for: a card number may hold what looks like a phone's."""
