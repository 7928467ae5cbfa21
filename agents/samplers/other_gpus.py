"""GPUs of other makers: seen, not supported yet."""

from pathlib import Path
from typing import Final

CARDS: Final = Path("/sys/class/drm")
MAKERS: Final = {"0x1002": "AMD", "0x8086": "Intel"}


def other_gpus(cards: Path = CARDS) -> list[str]:
    """Each by its maker and PCI id, as "AMD GPU 1002:744c". A card's outputs are no cards."""
    found = []
    for card in sorted(cards.glob("card*")):
        if not card.name.removeprefix("card").isdigit():
            continue
        try:
            vendor, device = ((card / "device" / name).read_text() for name in ("vendor", "device"))
        except OSError:
            continue
        vendor, device = vendor.strip(), device.strip()
        if vendor in MAKERS:
            found.append(f"{MAKERS[vendor]} GPU {vendor[2:]}:{device[2:]}")
    return found
