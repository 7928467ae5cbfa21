from pathlib import Path

import pytest

from llmos.agents.samplers import hardware
from llmos.agents.samplers.other_gpus import other_gpus


def device(folder: Path, name: str, **files: str) -> None:
    (folder / name / "device").mkdir(parents=True)
    for file, text in files.items():
        (folder / name / "device" / file).write_text(text + "\n")


def test_only_disks_with_hardware_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device(tmp_path, "nvme0n1")
    (tmp_path / "dm-0").mkdir()
    (tmp_path / "loop0").mkdir()
    monkeypatch.setattr(hardware, "BLOCK_DEVICES", tmp_path)
    assert hardware.disk_names() == {"nvme0n1"}


def test_bonds_and_bridges_are_not_counted_beside_their_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device(tmp_path, "eth0")
    for name in ("lo", "bond0", "docker0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(hardware, "INTERFACES", tmp_path)
    assert hardware.interface_names() == {"eth0"}


def test_without_cards_all_but_loopback_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lo", "veth0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(hardware, "INTERFACES", tmp_path)
    assert hardware.interface_names() == {"veth0"}


@pytest.mark.parametrize(("said", "speed"), [("100000", 100_000), ("-1", None), (None, None)])
def test_a_link_that_is_down_has_no_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, speed: int | None
) -> None:
    (tmp_path / "eth0").mkdir()
    if said is not None:
        (tmp_path / "eth0" / "speed").write_text(said)
    monkeypatch.setattr(hardware, "INTERFACES", tmp_path)
    assert hardware.link_speed("eth0") == speed


def test_the_address_is_one_of_this_host() -> None:
    found = hardware.address()
    assert found is None or not found.startswith("127.")


def test_other_makers_gpus_are_named_once_each(tmp_path: Path) -> None:
    device(tmp_path, "card0", vendor="0x1002", device="0x744c")
    device(tmp_path, "card0-DP-1", vendor="0x1002", device="0x744c")
    device(tmp_path, "card1", vendor="0x8086", device="0x56a0")
    device(tmp_path, "card2", vendor="0x10de", device="0x2330")
    device(tmp_path, "card3", vendor="0x1a03", device="0x2000")
    device(tmp_path, "card4")
    device(tmp_path, "renderD128", vendor="0x1002", device="0x744c")
    assert other_gpus(tmp_path) == ["AMD GPU 1002:744c", "Intel GPU 8086:56a0"]


def test_a_host_without_graphics_has_no_other_gpus(tmp_path: Path) -> None:
    assert other_gpus(tmp_path / "missing") == []
