"""The faults of the loopback Discord: requests that fail because a test wants them to."""

import re
from dataclasses import dataclass

from tests.servers.discord.world import Payload


@dataclass(slots=True)
class Fault:
    """What happens to the next `times` requests that match; see `DiscordServer.fault`."""

    method: str
    path: re.Pattern[str]
    status: int = 0
    body: Payload | None = None
    headers: dict[str, str] | None = None
    cut: str | None = None
    delay: float = 0.0
    times: int = 1
    applied: bool = False


class Faults:
    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        if fault.status == 429 and fault.body is not None:
            after = float(fault.body["retry_after"])
            fault.headers = {"Via": "1.1 google", "Retry-After": str(int(after) + 1)} | (fault.headers or {})
        self._faults.append(fault)

    def next(self, method: str, path: str) -> Fault | None:
        """The fault of this request, which is used up by it."""
        for fault in self._faults:
            if fault.times > 0 and fault.method == method and fault.path.search(path):
                fault.times -= 1
                return fault
        return None
