"""What was promised, in one table. CPU is in per cent of one core, on two."""

from __future__ import annotations

from typing import Final

BUDGETS: Final = {
    "first frame, last known": 0.30,
    "first frame, live": 0.6,
    "first frame, agent must start": 1.0,
    "console CPU": 1.5,
    "console to the terminal": 10.0,
    "agent CPU": 0.3,
    "agent CPU, one client": 0.3,
    "agent CPU, no client": 0.3,
    "agent memory (PSS)": 75.0,  # of a lead; a member's is 50
    "agent memory (PSS), one client": 50.0,
    "agent memory (PSS), no client": 50.0,
    "key to paint, p50": 5.0,
    "key to paint, p99": 30.0,
    "warm launch": 0.1,
    "first warm launch": 4.0,
    "throughput lost to being watched": 1.0,
    "near duplicates, peak memory": 200.0,
    "near duplicates, time ÷ datasketch's": 0.2,
    "near duplicates, time ÷ datatrove's": 0.1,
    "injected missed beyond datatrove's, all": 0.0,
    "injected missed beyond datatrove's, true ones": 0.0,
}
"""The most that a median may be, by what is measured, in the unit of its table."""
