"""What a person set is kept; a file that is off counts as none."""

import pytest

from llmos.console.settings import Settings


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_settings_come_back():
    Settings(theme="light", utc=True, interval=0.2).save()
    assert Settings.load() == Settings(theme="light", utc=True, interval=0.2)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"interval": 0}', '{"interval": 1e9}', '{"theme": 3}', "\x00"]
)
def test_a_file_that_is_off_counts_as_none(text, tmp_path):
    (tmp_path / "llmos").mkdir()
    (tmp_path / "llmos" / "console.json").write_text(text)
    assert Settings.load() == Settings()


def test_where_nothing_can_be_kept_it_holds_for_now(tmp_path):
    (tmp_path / "llmos").write_text("a file, not a folder")
    Settings(theme="light").save()
    assert Settings.load() == Settings()
