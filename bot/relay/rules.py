"""What a shop has decided about its desk, and what the desk needs of the engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from bot.bursts import Arrivals
from bot.chat import InboundMessage
from bot.storage.messages import Conversation, StoredMessage

NOTE = "//"
"""What begins so is a note."""


@dataclass(frozen=True, slots=True)
class DeskRules:
    """`staff_replies`: whether every plain word in a post is for the customer, or only `/reply`. `staff_name`: who
    answers, as the customer sees it. `quiet`: a case in which nobody writes for so long is resolved. `language`: of
    cards and notices in the posts."""

    staff_replies: Literal["all", "command"] = "all"
    staff_name: Literal["name", "shop", "role"] = "name"
    quiet: timedelta = timedelta(hours=24)
    language: str = "vi"


class Answers(Protocol):
    """The engine, as the relay calls it."""

    async def answer(
        self, conversation: Conversation, messages: Sequence[StoredMessage], arrivals: Arrivals
    ) -> None: ...

    async def give_up(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> None: ...

    async def break_off(self, conversation: Conversation, message: StoredMessage) -> None: ...

    async def stop(self, conversation_id: int, message: InboundMessage, *, inbox_id: int) -> None: ...

    async def delay(self, message: InboundMessage) -> None: ...

    def silence(self, conversation_id: int) -> None:
        """Break off what is being answered: one more edit at most, no further message."""
        ...
