"""The words of a chat and the port `ChatPlatform`: read this file first.

Everything that passes between a platform and the engine is one of the frozen values below, never an
object of a platform's library: that is what lets a reply be finished after a crash, by another process.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Role = Literal["customer", "assistant", "staff"]
Command = Literal["start", "new", "stop", "help", "human", "reply", "ask"]
"""What is typed with a slash. Two are only staff's, in a post of the desk, where plain words are for the customer:
`reply` is for him, too, whatever the settings say of plain words; `ask` is for the bot."""
AttachmentKind = Literal["photo", "voice", "audio", "video", "sticker", "location", "contact", "file", "other"]
CallKind = Literal["first", "refresh", "final"]
"""Why a reply wants to call: nothing of it is visible yet; there is more to see; it is complete."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a conversation takes place. `platform` is the `name` of a `ChatPlatform`."""

    platform: str
    chat_id: str
    thread_id: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that came with a message. Its bytes are fetched later, by `ChatPlatform.download`.

    `source_id` is all that the platform needs to find it again (a file id, an URL).
    """

    kind: AttachmentKind
    source_id: str
    media_type: str = "application/octet-stream"
    name: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes out with a message."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message as a platform delivered it; texts are already clean (see `bot.text.clean`).

    `message_id` is unique within the platform (not only within the chat), so that one that is delivered
    twice is stored once. `role` is decided by the door from the platform's own ids, never from a text.
    """

    message_id: str
    address: Address
    sender_id: str
    sender_name: str
    text: str
    sent_at: datetime
    attachments: tuple[Attachment, ...] = ()
    role: Literal["customer", "staff"] = "customer"
    command: Command | None = None
    """A command instead of words; `text` is then its argument (for `start`: the deep-link payload)."""
    edited: bool = False
    """`text` is the newest text of a message with this `message_id`, which was delivered before."""
    deleted: bool = False
    """Its writer has deleted it; `text` is empty."""
    quoted: str = ""
    """The words of the earlier message that this one replies to."""
    album_id: str | None = None
    """Messages with the same album id are one message to the reader."""
    hangs_on: str | None = None
    """The platform's id of the earlier message that this one replies to, as `MessageRef.message_id` has it for one of
    ours and `InboundMessage.message_id` for one of theirs (or both alike)."""
    reply_to: str | None = None
    """What `OutboundMessage.reply_to` must name so that the answer hangs on this message; None: nothing."""
    language: str | None = None
    """The reader's language as the platform hints at it: `vi`, `en` …"""


@dataclass(frozen=True, slots=True)
class UnreadableUpdate:
    """An update that the door could not read. It is kept for the operator, and the ones behind it go on."""

    platform: str
    update_id: str
    raw: str
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """The section of a policy that an answer relies on, as it is shown to the reader."""

    section_id: str
    title: str
    heading: str
    text: str = ""
    url: str | None = None


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """What one message of ours should show: Markdown, and whether it is still growing.

    `sources` are set on a finished message only, and only for a platform whose limits say that it shows
    them by itself; for all others they are a line of the Markdown.
    """

    text: str
    growing: bool = False
    sources: tuple[Source, ...] = ()
    reply_to: str | None = None
    """The `reply_to` of the inbound message that this answers. Only looked at by `send`."""
    files: tuple[File, ...] = ()
    """Shown with the text, no more than `MessageLimits.files`. Only looked at by `send`."""
    offers_person: bool = False
    """A button under it asks for a person, where the platform has buttons."""


@dataclass(frozen=True, slots=True)
class MessageRef:
    """A message that we sent and that can still be edited."""

    address: Address
    message_id: str
    lasts: float | None = None
    """Seconds after which it vanishes while it grows, unless it is shown again; None: it stays. What vanishes
    stays from its first text on that is not growing."""


@dataclass(frozen=True, slots=True)
class ReplyCall:
    """One call that a reply wants: show `message` in its part number `part` (from 0).

    It is a `send` with `key` when there is no `ref` yet, an `edit` of `ref` otherwise.
    """

    part: int
    kind: CallKind
    message: OutboundMessage
    key: str
    ref: MessageRef | None = None


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """What a platform allows, as plain numbers: the engine asks for these and never for a name.

    `max_units` is the length of one message, in what `ChatPlatform.measure` counts. The intervals are seconds
    between two calls that change one chat. The budgets are those of the whole account; a bucket refills
    steadily and holds `*_burst` calls at most. None means: no such budget.
    """

    max_units: int
    min_interval: float = 1.2
    chat_calls_per_second: float | None = None
    chat_burst: int = 1
    group_calls_per_minute: float | None = None
    calls_per_second: float | None = None
    calls_burst: int = 1
    calls_in_flight: int = 64
    typing_interval: float = 4.0
    """A typing sign lasts about this long and must be shown again after it."""
    files: int = 0
    """So many files may go out with one message."""
    file_bytes: int = 0
    """None of them may be larger."""
    shows_sources: bool = False
    """The platform renders `OutboundMessage.sources` by itself."""
    marks_growing: bool = False
    """The platform shows whether a message is still growing: a last call is made even if only that changes."""
    redelivers: bool = False
    """What `receive` does not take is kept there and comes again: its writer need not write it a second time."""
    doubles: bool = False
    """It knows no keys: a send whose outcome is unknown, and that is made again, may show twice."""


@dataclass(frozen=True, slots=True)
class PastMessage:
    """One message of a conversation's past, as its reader saw it."""

    key: str
    """Customer's words: the `message_id` they came with. Ours: the `key` they were sent with."""
    role: Role
    text: str
    at: datetime
    sources: tuple[Source, ...] = ()


Receive = Callable[[InboundMessage | UnreadableUpdate], Awaitable[None]]
"""Takes a message in for good: it is stored when this returns, and only then may the platform be told."""

Ready = Callable[[str], None]
"""Called by a door each time it is connected, with a few words for the operator: `as @shop_bot`."""

Transcript = Callable[[Address], Awaitable[tuple[PastMessage, ...]]]
"""Reads what a conversation's reader has seen so far, oldest first; empty after a start afresh."""


class Bookmarks(Protocol):
    """Where a door keeps how far it has read, when its platform does not deliver again what was missed.

    What a place and its mark are called is the door's own business. Both methods raise `StorageError`.
    """

    async def load(self) -> Mapping[str, str]:
        """Place → mark, of all places that were kept."""
        ...

    async def keep(self, marks: Mapping[str, str | None]) -> None:
        """Keep these marks in place of their earlier ones, all or none; None: the place is forgotten."""
        ...


@dataclass(frozen=True, slots=True)
class Shelved:
    """A file that a door hands out itself. Who knows `token` can ask for it; `size` is in bytes."""

    token: str
    name: str
    media_type: str
    size: int


class Shelf(Protocol):
    """Where a door keeps files that went out, when its platform keeps none. All methods raise `StorageError`."""

    async def put(self, chat_id: str, key: str, files: Sequence[File]) -> tuple[Shelved, ...]:
        """Keep the files of the message with this key; the same again changes nothing."""
        ...

    async def of(self, chat_id: str) -> Mapping[str, tuple[Shelved, ...]]:
        """Message → its files, of a whole conversation."""
        ...

    async def take(self, chat_id: str, token: str) -> File | None:
        """The file, if it is one of this conversation."""
        ...

    async def clear(self, chat_id: str, key: str) -> None:
        """The message is gone, and its files are."""
        ...


class ChatPlatform(Protocol):
    """The port of `adapters/`: one account on one platform. Errors are those of `bot.errors.PlatformError`."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> MessageLimits: ...

    async def run(self, receive: Receive, ready: Ready) -> None:
        """Connect and deliver until cancelled. Raises `Unavailable` or `AccountRejected` when it cannot go
        on; it is then started again later."""
        ...

    def measure(self, text: str) -> int:
        """How many units this Markdown takes on the platform once it is formatted."""
        ...

    def is_group(self, at: Address) -> bool:
        """Whether several people read this address (some platforms allow fewer calls there)."""
        ...

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        """Show a new message. `key` is the same when the same message is sent again after a failure."""
        ...

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        """Replace what a message shows; what names it from now on. The same text again is no error."""
        ...

    async def delete(self, ref: MessageRef) -> None:
        """Take a message of ours away; one that is not there any more is no error. Raises `MessageRefused` for
        one that the platform does not take away any more."""
        ...

    async def show_typing(self, at: Address) -> None:
        """Show that an answer is being written, for about `limits.typing_interval` seconds."""
        ...

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        """The bytes of an attachment. Raises `MessageRefused` as soon as they are more than `limit`."""
        ...

    async def close(self) -> None:
        """Give back the connections, after `run` has ended and the last call was made."""
        ...
