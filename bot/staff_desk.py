"""Builds the desk at which staff go on with a conversation, for a shop that has one."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence

from bot.desk import StaffDesk
from bot.engine.engine import Engine
from bot.errors import PlatformError, StorageError
from bot.policies.live import Policies
from bot.relay.relay import Relay
from bot.relay.rules import DeskRules
from bot.scheduler import SendScheduler
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.messages import Messages

log = logging.getLogger(__name__)

_PAUSES = (5.0, 30.0, 120.0)
_MOST = 100


class Alerts:
    """Tells all staff what they should know, in their channel, each once; nobody waits for it. `pauses`: seconds
    before it is tried again."""

    def __init__(self, desk: StaffDesk, *, pauses: Sequence[float] = _PAUSES) -> None:
        self._desk = desk
        self._pauses = pauses
        self._waiting: asyncio.Queue[str] = asyncio.Queue(maxsize=_MOST)

    def tell(self, text: str) -> None:
        """Have this told."""
        try:
            self._waiting.put_nowait(text)
        except asyncio.QueueFull:
            log.warning("staff are not told: %s alerts wait already", _MOST)

    async def run(self) -> None:
        """Tell, until cancelled."""
        while True:
            await self._alert(await self._waiting.get())

    async def _alert(self, text: str) -> None:
        # What happens again is told again, in the same words.
        key = f"alert-{secrets.token_hex(8)}"
        for pause in (*self._pauses, None):
            try:
                await self._desk.alert(text, key=key)
                return
            except (PlatformError, StorageError) as exc:
                log.warning("staff were not told of %s: %s", key, exc)
            if pause is not None:
                await asyncio.sleep(pause)


def has_desk(settings: Settings) -> bool:
    """Whether conversations are handed to staff in Discord."""
    return settings.discord_bot_token is not None and settings.discord_tickets_channel_id is not None


def relay_of(
    engine: Engine,
    desk: StaffDesk | None,
    settings: Settings,
    database: Database,
    messages: Messages,
    schedulers: Mapping[str, SendScheduler],
    policies: Callable[[], Policies],
) -> Relay | None:
    """What stands between the inbox and the engine when there is a desk."""
    if desk is None:
        return None
    rules = DeskRules(
        settings.shopdesk_staff_replies,
        settings.shopdesk_staff_name,
        settings.desk_quiet,
        settings.shopdesk_language,
    )
    return Relay(
        engine,
        desk=desk,
        database=database,
        messages=messages,
        schedulers=schedulers,
        policies=policies,
        rules=rules,
    )
