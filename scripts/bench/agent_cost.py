"""What a member agent costs: eight GPUs at 1 Hz, without a client and with one."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

from llmos.scripts.bench import options
from llmos.scripts.bench.processes import FOREIGN_LIMIT, Window
from llmos.scripts.bench.report import Report, progress
from llmos.scripts.bench.stage import Stage, stage

if TYPE_CHECKING:
    from argparse import Namespace

    from llmos.scripts.bench.programs import Program

REQUEST = b"GET /v1/stream?interval=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Client:
    """Reads a stream and looks at nothing."""

    def __init__(self, path: str) -> None:
        self.received = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._socket.sendall(REQUEST)
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        """Hang up."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _read(self) -> None:
        while data := self._socket.recv(65536):
            self.received += len(data)


def main() -> None:
    """Measure the agent alone, and constella's beside its manager."""
    parser = options.parser(main.__doc__, others=("constella-gpu",))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=float, default=10.0, help="seconds")
    parser.add_argument("--seconds", type=float, default=60.0, help="of one window")
    parser.add_argument("--still", action="store_true", help="figures that do not move")
    given = parser.parse_args()
    ours, *others = options.measured(given)
    report = Report("Agent at 8 GPUs and 1 Hz")
    with stage(still=given.still) as place:
        for at in range(given.rounds):
            progress(f"round {at + 1} of {given.rounds}")
            _measure_ours(place, ours, given, report)
            for peer in others:
                with place.helpers(peer) as helpers:
                    _window(peer.name, ", one client", helpers["agent"], given, report)
    report.notes.append(
        f"Windows of {given.seconds:g} s after {given.warm_up:g} s of warm-up; CPU is user + "
        "system in per cent of one core. constella's client is its manager."
    )
    if given.still:
        report.notes.append("The GPUs' figures stood still, so the stand-in read no state anew.")
    report.show(given.json)


def _measure_ours(place: Stage, ours: Program, given: Namespace, report: Report) -> None:
    with place.helpers(ours) as helpers:
        _window(ours.name, ", no client", helpers["agent"], given, report)
        client = Client(str(place.state / "agent.sock"))
        _window(ours.name, ", one client", helpers["agent"], given, report, client)
        client.close()


def _window(
    name: str, how: str, pid: int, given: Namespace, report: Report, client: Client | None = None
) -> None:
    time.sleep(given.warm_up)
    window = Window({"agent": pid})
    before = client.received if client else 0
    time.sleep(given.seconds)
    cost = window.end()["agent"]
    report.add(name, f"agent CPU{how}", "%", f"CPU{how}", cost.cpu)
    report.add(name, f"agent memory (RSS){how}", "MiB", f"RSS{how}", cost.rss)
    report.add(name, f"agent memory (PSS){how}", "MiB", f"PSS{how}", cost.pss)
    if client is not None:
        rate = (client.received - before) / given.seconds
        report.add(name, "to the client", "B/s", "bytes", rate)
    if window.foreign > FOREIGN_LIMIT:
        report.notes.append(
            f"**Not alone**: while {name} was measured{how}, others took "
            f"{window.foreign:.0f} % of the machine."
        )


if __name__ == "__main__":
    main()
