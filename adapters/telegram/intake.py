"""Takes raw updates in, one by one: read, translated, stored. One that cannot be read stops no other."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.telegram.albums import Albums
from adapters.telegram.api import STOP_PRESSED, WANTED
from adapters.telegram.fields import Malformed
from adapters.telegram.inbound import Me, inbound, stop_pressed
from adapters.telegram.presses import PRESSED, pressed
from bot.chat import InboundMessage, Receive, UnreadableUpdate
from bot.errors import StorageError

log = logging.getLogger(__name__)

_LONGEST_RAW = 100_000

_ESSENCE = frozenset(
    {
        *("message_id", "date", "edit_date", "chat", "from", "text", "entities", "caption", "caption_entities"),
        *("message_thread_id", "is_topic_message", "media_group_id"),
    }
)
# Not longer, so that everything goes on at once when there is room again.
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 3.0

Item = InboundMessage | UnreadableUpdate
Sleep = Callable[[float], Awaitable[None]]


class Intake:
    """What a raw update goes through on its way to `receive`. `stored` is told of each that is there for good."""

    def __init__(
        self,
        *,
        me: Me,
        platform: str,
        receive: Receive,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        stored: Callable[[object], None] = lambda raw: None,
    ) -> None:
        self._me = me
        self._stored = stored
        self._platform = platform
        self._receive = receive
        self._sleep = sleep
        self._now = now
        self._albums = Albums()

    def read(self, raw: object) -> Item | None:
        """What an update says to us; None when it is nothing that concerns us."""
        number = update_id(raw)
        if not isinstance(raw, Mapping) or number is None:
            return self._unreadable(raw, "it is not an update")
        if isinstance(pressed := raw.get(STOP_PRESSED), Mapping):
            stop = stop_pressed(pressed, number, at=self._now(), platform=self._platform)
            return stop or self._unreadable(raw, "it names no chat")
        if not any(raw.get(name) for name in WANTED):
            return None
        try:
            return self._inbound(raw)
        # A fault of ours in reading one update must not keep all those behind it from being read. No traceback:
        # its last line may quote what somebody wrote, and the operator has the whole update.
        except Exception as exc:  # noqa: BLE001
            log.warning("update %s cannot be read as a whole (%s)", number, _reason(exc))
            return self._essence(raw, _reason(exc))

    def _inbound(self, raw: Mapping[str, Any]) -> InboundMessage | None:
        if isinstance(query := raw.get(PRESSED), Mapping):
            return pressed(query, update_id(raw) or 0, at=self._now(), platform=self._platform)
        addressed = self._albums.include(raw.get("message") or raw.get("edited_message"))
        message = inbound(raw, self._me, platform=self._platform, addressed=addressed)
        if message is not None:
            self._albums.note(message)
        return message

    def _essence(self, raw: Mapping[str, Any], reason: str) -> Item | None:
        """The words of a message that came with something that is not as we know it."""
        known = {
            name: {key: value for key, value in message.items() if key in _ESSENCE}
            for name in WANTED
            if isinstance(message := raw.get(name), Mapping)
        }
        try:
            message = self._inbound(known)
        except Exception as exc:  # noqa: BLE001
            log.error("update %s is kept for the operator (%s)", update_id(raw), _reason(exc))
            return self._unreadable(raw, reason)
        if message is not None or _is_in_group(known):
            return message
        return self._unreadable(raw, reason)

    async def take_all(self, batch: Sequence[object]) -> None:
        """Store a batch: within a chat in the order of their numbers, chats side by side. Returns when all is stored.

        The numbers are there "to restore the correct update sequence, should they get out of order":
        https://core.telegram.org/bots/api#update. While the storage is full it tries again, for as long as that
        lasts: Telegram keeps the rest.
        """
        chats: dict[str, list[tuple[object, Item]]] = {}
        for raw, first in [(raw, self.read(raw)) for raw in sorted(batch, key=lambda raw: update_id(raw) or 0)]:
            # The part of an album that says that it is for us may come behind the others.
            item = self.read(raw) if first is None and _is_album_part(raw) else first
            if item is not None:
                chat = item.address.chat_id if isinstance(item, InboundMessage) else ""
                chats.setdefault(chat, []).append((raw, item))
        async with asyncio.TaskGroup() as group:
            for items in chats.values():
                group.create_task(self._take_in_order(items))

    async def take(self, raw: object) -> None:
        """Store one update. Raises `StorageError`: it is then to be delivered again."""
        if (item := self.read(raw)) is not None:
            await self._store(raw, item)

    async def _take_in_order(self, items: Sequence[tuple[object, Item]]) -> None:
        for raw, item in items:
            wait = _FIRST_WAIT
            while True:
                try:
                    await self._store(raw, item)
                    break
                except StorageError as exc:
                    if wait == _FIRST_WAIT:
                        log.error("a message cannot be stored, Telegram keeps it meanwhile: %s", exc)
                await self._sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)

    async def _store(self, raw: object, item: Item) -> None:
        try:
            await self._receive(item)
            self._stored(raw)
        except StorageError:
            raise
        # One message that trips over a fault of ours must not stop all those behind it.
        except Exception:
            log.exception("update %s cannot be taken in, it is kept for the operator", update_id(raw))
            await self._receive(self._unreadable(raw, "it could not be taken in"))

    def _unreadable(self, raw: object, reason: str) -> UnreadableUpdate:
        number = update_id(raw)
        # Half a surrogate pair is legal JSON, and no database takes it.
        text = json.dumps(raw, ensure_ascii=False, default=repr)[:_LONGEST_RAW].encode("utf-8", "replace").decode()
        return UnreadableUpdate(self._platform, "" if number is None else str(number), text, reason)


def update_id(raw: object) -> int | None:
    """The number of an update; None when it has none."""
    value: Any = raw.get("update_id") if isinstance(raw, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _reason(exc: Exception) -> str:
    return str(exc) if isinstance(exc, Malformed) else f"{type(exc).__name__} while it was read"


def _is_in_group(update: Mapping[str, Mapping[str, Any]]) -> bool:
    chats = [message.get("chat") for message in update.values()]
    return any(isinstance(chat, Mapping) and chat.get("type") != "private" for chat in chats)


def _is_album_part(raw: object) -> bool:
    message = raw.get("message") if isinstance(raw, Mapping) else None
    return isinstance(message, Mapping) and bool(message.get("media_group_id"))
