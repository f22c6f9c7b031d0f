"""The port `ChatModel`: a request goes in, text comes out piece by piece, and an end event is always last."""

import operator
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import astuple, dataclass
from typing import Literal, Protocol

from bot.chat import Source

StopReason = Literal["end", "max_tokens", "tools"]
"""Why a stream ended: the answer is whole; it is too long; the model waits for the results of its tool calls."""

_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def image_type(data: bytes) -> str | None:
    """The media type that the bytes themselves show, whatever a sender called them; None: no picture that
    models read."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture for the model. `media_type` is one of image/jpeg, image/png, image/gif, image/webp."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ModelMessage:
    """One turn of the history. Staff's words count as the assistant's side of a customer's conversation."""

    role: Literal["user", "assistant"]
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is told of it. `parameters` is the JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a tool; `id` is unique within its answer.

    `arguments` is what the model wrote: nobody has checked it against the schema. None: it was no JSON object,
    or far too long.
    """

    id: str
    name: str
    arguments: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call: `sections` that the answer may rely on and cite, and words beside them."""

    call_id: str
    text: str
    sections: tuple[Source, ...] = ()
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class ToolRound:
    """What the model said before it waited for its tools, and what came of each of its calls, in their order."""

    text: str
    calls: tuple[ToolCall, ...]
    results: tuple[ToolResult, ...]
    said: object = None
    """`Finished.said` of that stream."""


Find = Callable[[], Awaitable[tuple[Source, ...]]]
"""The sections that match the last message, best first. Raises `bot.errors.StorageError`."""


async def find_nothing() -> tuple[Source, ...]:
    """For a request without policies."""
    return ()


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Everything that a model is told.

    `tools`, `system` and `sections` come first and stay the same to the byte from turn to turn, so that the
    provider's prompt cache hits; what changes (sections found for the turn, time, customer, place) is in `found`
    and `context`, behind the history.
    """

    system: str
    messages: tuple[ModelMessage, ...]
    """Oldest first; the last one is the user's and asks the question."""
    sections: tuple[Source, ...] = ()
    """The sections of the policies that the model may rely on, in a stable order."""
    found: tuple[Source, ...] = ()
    """Those that were found for this turn, best first, when `sections` could not be all."""
    find: Find = find_nothing
    """For a model that cannot choose for itself; no other asks, since a search takes as long as all the rest."""
    context: str = ""
    language: str = "vi"
    max_tokens: int = 2048
    tools: tuple[ToolSpec, ...] = ()
    may_call: bool = True
    """False: the tools are named as before, but the model has called them often enough."""
    rounds: tuple[ToolRound, ...] = ()
    """What happened since the last message: the answer goes on behind it."""
    asks: bool = True
    """False: thanks, a greeting and the like, for a model that cannot tell by itself."""
    conversation: str = ""
    """The same for all requests of a conversation, and of no other: who must stay with one key or one endpoint
    goes by it. It tells nobody who the customer is."""
    variant: int | None = None
    """The canary that the turn takes part in, if any; the same for all requests of a turn."""

    @property
    def known(self) -> dict[str, Source]:
        """Every section that the answer may cite, by its id."""
        later = (section for one in self.rounds for result in one.results for section in result.sections)
        return {section.section_id: section for section in (*self.sections, *self.found, *later)}


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """The answer relies on this section of the request."""

    section_id: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider billed them; `input_tokens` without those read from or written to the cache.

    `cost` is in nano-dollars (one token of the cheapest kind costs ten of them); 0 where no price is known.
    `estimated_tokens`: so many of all of them nobody has billed, they are guessed from the text of an answer that
    broke off before its provider counted it.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost: int = 0
    estimated_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Those of all kinds together."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*map(operator.add, astuple(self), astuple(other)))

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(*map(operator.sub, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class Payer:
    """Who is billed for an answer. `model` is the name by which it was asked (`NAME:MODEL`); `key` is the label of
    the key, which shows nothing of the key itself; empty where there is none."""

    model: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Billed:
    """What this answer has cost so far: also known of one that breaks off."""

    usage: Usage
    payer: Payer = Payer()


@dataclass(frozen=True, slots=True)
class Restarted:
    """All that was said in this stream is void, since its model broke off or fell silent: another answer follows.
    What it has cost stays."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The stream is complete, and the answer with it unless `stop_reason` is `tools`: then the same request is to
    be made again, with one more `ToolRound`. `model` is the name that the provider answered with."""

    usage: Usage
    model: str
    stop_reason: StopReason = "end"
    said: object = None
    """For `tools`: the answer so far in the provider's own form, which holds more than we read. It is handed back
    in `ToolRound.said`; who does not know it goes by the round's other fields."""
    payer: Payer = Payer()
    failures: int = 0
    """So often a model failed before this one came to its end: 0 when the first one that was asked did at once."""


ModelEvent = TextDelta | Cited | Billed | ToolCall | Restarted | Finished


class ChatModel(Protocol):
    """One language model. What wraps a model is a model, too."""

    @property
    def name(self) -> str:
        """`NAME:MODEL`, where NAME is that of its provider, or `offline`."""
        ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer; `Finished` is always the last event. A stream that ends without one, for whatever
        reason, raises a `bot.errors.ModelError` instead. What tries again after an event was handed on says
        `Restarted` first. Closing the iterator closes the connection."""
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...
