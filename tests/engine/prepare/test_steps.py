"""Each step by itself: what it changes, what it drops, and what it leaves alone."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.engine.prepare.spec import Contamination, Quality, Split
from llmos.engine.prepare.steps.balance import balanced, repeats
from llmos.engine.prepare.steps.contamination import Contaminated
from llmos.engine.prepare.steps.normalise import normalised
from llmos.engine.prepare.steps.personal import luhn, masked
from llmos.engine.prepare.steps.quality import QualityRules
from llmos.engine.prepare.steps.split import TEST, TRAIN, VALID, divided, stratified

PROSE = (
    "The keeper of the lighthouse had a habit that nobody on the island could explain to visitors. "
    "Each evening, when the last boat was tied up and the gulls had gone to their rocks, he would "
    "walk with a lantern around the wall, count the stones of the western side, and write a number "
    "into a small book. Some said it was to keep awake; others thought he must have lost something "
    "there in his youth. He never told, and in time people stopped to ask about it.\n"
)


def test_normalise_mends_what_was_decoded_wrongly() -> None:
    assert normalised("schÃ¶n") == "schön"
    assert normalised("e\u0301") == "é"
    assert normalised("“so”") == "“so”"
    assert normalised("a\r\nb\x00\x7f\tc") == "a\nb\tc"
    assert normalised("&amp;") == "&amp;"


LETTERS = st.sampled_from(
    "Ã¶Â©â€™éö ñß“”’…–—  \n\r\t\f\0abcE<&Жжグ日한ﬁＡƒ½¿ªŸŉĿ\x80\x85\u0301\u2028\u2029\ufeff"  # noqa: RUF001
)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text(LETTERS, max_size=30))
def test_the_short_ways_come_to_the_same_end_as_ftfy(text: str) -> None:
    from ftfy import fix_text

    from llmos.engine.prepare.steps.normalise import _settings

    # Escapes of terminals are text to us: only their first character is a control.
    text = text.replace("\x1b", "")
    assert normalised(text) == fix_text(text, _settings())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PROSE, None),
        ("a few words", "too few words"),
        ("x " * 100, "words too short"),
        ("incomprehensibilities " * 60, "words too long"),
        ("12345 67890 " * 60, "too few words with letters"),
        ("lorem ipsum dolor " * 30, "too few stop words"),
        (PROSE + "a#b#c " * 10, "too many hash signs"),
        (PROSE.replace(" t", "... t"), "too many ellipses"),
        ("- " + PROSE.replace(". ", ".\n- "), "too many lines with bullets"),
        (PROSE.replace(". ", "...\n"), "too many lines that break off"),
        (PROSE * 3, "repeated lines"),
        (PROSE + "the wind and the sea " * 30, "one run of 2 words too often"),
    ],
)
def test_quality(text: str, why: str | None) -> None:
    assert QualityRules(Quality()).fault(text) == why


def test_quality_of_another_language_needs_no_english_stop_words() -> None:
    text = " ".join(f"wort{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(80))
    assert QualityRules(Quality(stop_words=[])).fault(text) is None


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("write to jo.doe+x@mail.example.org.", "write to <EMAIL>."),
        ("from 192.168.1.17:80", "from <IP>:80"),
        ("at 2001:db8::ff00:42:8329 now", "at <IP> now"),
        ("card 4111 1111 1111 1111, thanks", "card <CARD>, thanks"),
        ("card 4111-1111-1111-1112", "card 4111-1111-1111-1112"),
        ("amex 378282246310005", "amex <CARD>"),
        ("call +49 30 1234567 or (212) 555-0147", "call <PHONE> or <PHONE>"),
        ("call 212-555-0147", "call <PHONE>"),
    ],
)
def test_personal_data_is_masked(text: str, seen: str) -> None:
    assert masked(text)[0] == seen


@pytest.mark.parametrize(
    "text",
    [
        "from 2020-01-02 to 2021-03-04 at 12:30:45", "version 3.11.7", "300.1.2.3", "127.0.0.1",
        "a[0::2]", "19 20 21 22 23 24 25", "+1.000000", "1234567890123", "user@localhost",
        "384 768 1536",
    ],
)  # fmt: skip
def test_what_is_not_personal_is_left(text: str) -> None:
    assert masked(text)[0] == text


def test_luhn_finds_any_one_wrong_digit() -> None:
    assert luhn("79927398713")
    assert not any(luhn(f"7992739871{digit}") for digit in "012456789")


def test_contamination_is_a_run_of_words_in_common(tmp_path: Path) -> None:
    path = tmp_path / "judged.jsonl"
    path.write_text('{"q": "' + " ".join(PROSE.split()[:40]) + '"}\n{"q": "Short question?"}\n')
    step = Contaminated(Contamination(against=[str(path)], column="q"))
    words = PROSE.split()
    texts = [
        "before " + " ".join(words[5:18]).upper() + " after",
        " ".join(words[5:17]),
        "short question",
        "a short question",
        "...",
        " ".join(words[40:]),
    ]
    assert [outcome.text is None for outcome in step(texts)] == [
        True,
        False,
        True,
        False,
        False,
        False,
    ]


KEYS = st.lists(st.text(), unique=True)
SHARES = st.floats(0, 0.45)


@given(KEYS, KEYS, SHARES, SHARES, st.integers(0, 2**32 - 1))
def test_a_row_keeps_its_part_when_data_grow_and_wherever_it_stands(
    keys: list[str], more: list[str], valid: float, test: float, seed: int
) -> None:
    split = Split(valid=valid, test=test, seed=seed)
    before = dict(zip(keys, divided(keys, split).tolist(), strict=True))
    grown = [*more, *reversed(keys)]
    after = dict(zip(grown, divided(grown, split).tolist(), strict=True))
    assert all(after[key] == part for key, part in before.items())


@given(KEYS, SHARES, SHARES)
def test_a_larger_test_part_takes_nothing_back_into_training(
    keys: list[str], share: float, more: float
) -> None:
    """What was kept from a model stays so when the shares grow."""
    small, large = sorted((share, more))
    held = divided(keys, Split(test=small, valid=0.0)) == TEST
    assert (divided(keys, Split(test=large, valid=0.1))[held] == TEST).all()


def test_the_shares_are_those_asked_for() -> None:
    parts = divided([str(n) for n in range(20_000)], Split(valid=0.1, test=0.2))
    shares = np.bincount(parts) / len(parts)
    assert shares[[TRAIN, VALID, TEST]] == pytest.approx([0.7, 0.1, 0.2], abs=0.01)


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=200), SHARES, SHARES, st.randoms())
def test_stratified_gives_each_label_its_shares_in_any_order(
    labels: list[int], valid: float, test: float, random: Random
) -> None:
    split = Split(by="stratified", valid=valid, test=test)
    rows = list(enumerate(labels))
    random.shuffle(rows)
    keys = [str(key) for key, _ in rows]
    label = np.array([label for _, label in rows])
    parts = stratified(keys, label, split)
    for one in set(labels):
        own = parts[label == one]
        assert abs((own == TEST).sum() - len(own) * test) <= 0.5 + 1e-9
        assert abs((own != TRAIN).sum() - len(own) * (test + valid)) <= 0.5 + 1e-9
    ordered = stratified([str(n) for n in range(len(labels))], np.array(labels), split)
    assert dict(zip(keys, parts.tolist(), strict=True)) == {
        str(n): part for n, part in enumerate(ordered.tolist())
    }


def test_balance_leaves_the_rarest_and_takes_from_the_others() -> None:
    labels = np.array([0] * 100 + [1] * 10 + [2] * 15)
    stays = balanced([str(n) for n in range(len(labels))], labels, 1.5)
    assert np.bincount(labels[stays]).tolist() == [15, 10, 15]


def test_weights_are_shares_and_multiples() -> None:
    keys = [str(n) for n in range(4000)]
    assert set(repeats(keys, np.full(4000, 2.0)).tolist()) == {2}
    assert repeats(keys, np.full(4000, 0.25)).mean() == pytest.approx(0.25, abs=0.03)
    assert repeats(keys, np.full(4000, 1.5)).mean() == pytest.approx(1.5, abs=0.03)
