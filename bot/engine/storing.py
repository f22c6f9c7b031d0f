"""Remembers a turn, however long the storage is away."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from bot.engine.turn import RunningTurn
from bot.errors import StorageError
from bot.storage.turns import Answer, Turns

log = logging.getLogger(__name__)

_PAUSE = 0.5
_LONGEST_PAUSE = 4.0


async def store(turns: Turns, turn: RunningTurn, answer: Answer, now: Callable[[], datetime]) -> None:
    """The reply is out: whatever ails the storage must not make us send it, and pay for it, a second time."""
    pause = _PAUSE
    while True:
        try:
            await turns.store(turn.conversation.id, turn.messages, answer, at=now())
            return
        except StorageError as exc:
            if pause == _PAUSE:
                log.error("conversation %s: the answer is not stored yet: %s", turn.conversation.id, exc)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
