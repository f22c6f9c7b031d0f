"""The port `Tool`: something that a model may call while it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from bot.chat import Address, Source
from bot.desk import Handover
from bot.llm.base import ToolSpec


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a tool is called, as the platform says it: never taken from what the model wrote."""

    address: Address
    sender_id: str
    role: Literal["customer", "staff"]
    language: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the model is told of its call; `sections` are what its answer may cite; with a `handover` the conversation
    waits for a person as soon as the answer is out."""

    text: str
    sections: tuple[Source, ...] = ()
    is_error: bool = False
    handover: Handover | None = None


class Tool(Protocol):
    """One tool. It serves all conversations."""

    @property
    def spec(self) -> ToolSpec:
        """How a model is told of it. It never changes: the provider's prompt cache hangs on it."""
        ...

    async def call(self, arguments: Mapping[str, object], asker: Asker) -> Outcome:
        """Do it. `arguments` are the model's: nothing in them can be relied on. What goes wrong is an outcome with
        `is_error`, in words that help the model on; nothing is raised but `bot.errors.StorageError`."""
        ...
