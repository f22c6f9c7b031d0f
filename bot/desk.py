"""The words of the staff's desk and its port `StaffDesk`: one post for each customer, in which staff work.

A case begins when a conversation needs a person and ends when it is resolved. The next case of the same
customer is worked on in the same post.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from bot.chat import Address, File, MessageRef

Reason = Literal["asked", "no_source", "tool_failed", "policy", "model_down", "over_budget", "late", "abuse", "taken"]
"""Why a person is needed: the customer wants one; no policy says it; a tool failed; a policy says that a person
decides; no model answers; the budget is spent; the message waited for hours; abuse; staff took over unasked."""

ASKED_BY_MODEL: tuple[Reason, ...] = ("asked", "no_source", "tool_failed", "policy", "abuse")
"""The reasons that a model may give; the others are the program's own."""

CaseState = Literal["waiting", "human", "resolved"]
"""Nobody has taken it; a person has; it is done."""

ActionKind = Literal[
    "take", "release", "resolve", "reopen", "assign", "transfer", "snooze", "close_later", "block", "unblock",
    "note", "reply", "history", "snippet", "tag", "who",
    "draft", "draft_send", "draft_edit", "draft_discard", "translate",
]  # fmt: skip

Mark = Literal["delivered", "failed", "note"]
"""What became of a message that staff wrote: it is with the customer; it is not; it was never meant for him."""

MARKS: tuple[Mark, ...] = ("delivered", "failed", "note")


@dataclass(frozen=True, slots=True)
class Handover:
    """A conversation needs a person. `summary` is for staff: what is asked, and what was tried."""

    reason: Reason
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """One of the staff, by the platform's own id; the name is for reading only."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Post:
    """Where the cases of one customer are worked on, and the message in it that is the card."""

    address: Address
    card_id: str


@dataclass(frozen=True, slots=True)
class Card:
    """What stands at the top of a post: all that staff must know at a glance. `text` is Markdown."""

    title: str
    text: str
    state: CaseState
    taken_by: Person | None = None
    is_snoozed: bool = False
    is_blocked: bool = False
    labels: tuple[str, ...] = ()
    """Set by staff, beside the tag that follows the state."""


@dataclass(frozen=True, slots=True)
class PostMessage:
    """One message in a post, written in the name of `author`: the customer, the assistant, or the desk itself.

    A customer's words are `is_plain`: they are shown as he typed them, whatever they would mean as Markdown. A text
    is no longer than `limits.max_units` of the desk's platform, once what is plain is written so, and has no more
    `files` than those limits say; it may be empty when there are files.
    """

    author: str
    text: str
    files: tuple[File, ...] = ()
    is_plain: bool = False
    reply_to: str | None = None
    """The id of an earlier message of the post."""
    offers: tuple[ActionKind, ...] = ()
    """Buttons under it, five at most."""


@dataclass(frozen=True, slots=True)
class Action:
    """A button was pressed, or a command given, in a post by one of the staff. `id` is the same when it is
    delivered twice; `argument` is what was typed or chosen; `other`: whom it is about."""

    id: str
    kind: ActionKind
    by: Person
    post: Address
    argument: str = ""
    other: Person | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What the person who acted reads; nobody else does. `form`: a text to be corrected in a form before it is
    sent on as `draft_send`."""

    words: str
    form: str | None = None


Act = Callable[[Action], Awaitable[ActionResult]]
"""Does it, in less than two seconds. Raises `StorageError`."""

Complete = Callable[[Address, ActionKind, str], Awaitable[tuple[str, ...]]]
"""What the argument of a command could be, given its beginning: for suggestions while it is typed."""


class StaffDesk(Protocol):
    """The port of the desk. What staff write in a post comes in as an `InboundMessage` of role `staff` at the post's
    address, word for word: no command is read out of it, and what is typed to the bot has the command `ask`. Who is
    not staff is not handed on. Errors are those of `bot.errors.PlatformError`; `MessageGone` for a post or a message
    that is not there any more, `AccountRejected` for a permission that is missing, in a sentence that names it and
    where it is given."""

    @property
    def name(self) -> str:
        """Of its platform: the `platform` of the addresses of its posts."""
        ...

    def is_post(self, at: Address) -> bool:
        """Whether this is a post of the desk, and not another place on the platform."""
        ...

    def listen(self, act: Act, complete: Complete) -> None:
        """Where buttons and commands go from now on."""
        ...

    async def open_post(self, card: Card, *, key: str) -> Post:
        """A new post. `key` is the same when it is opened again after a failure: then the first one is found."""
        ...

    async def show_card(self, post: Post, card: Card) -> Post:
        """Show another card, title and tags; a post that was put away is brought back unless it is resolved. A card
        that is gone is written anew: `MessageGone` says that the post is."""
        ...

    async def write(self, post: Post, message: PostMessage, *, key: str) -> MessageRef:
        """A new message. `key` is the same when it is written again after a failure: it shows once. `MessageGone`
        says that the post is gone; what `reply_to` names may be."""
        ...

    async def rewrite(self, ref: MessageRef, message: PostMessage) -> None:
        """The message was edited by its author."""
        ...

    async def strike(self, ref: MessageRef) -> None:
        """The message was deleted by its author: staff still see what it said, and that it is gone."""
        ...

    async def mark(self, ref: MessageRef, mark: Mark, reason: str = "") -> None:
        """Show what became of a message of staff's, in place of an earlier mark; `reason` for one that failed."""
        ...

    async def alert(self, text: str, *, key: str) -> None:
        """Tell all staff something, outside of the posts."""
        ...
