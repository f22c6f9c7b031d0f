"""A `StaffDesk` in memory with a transcript, as strict as a real one: keys, posts that are gone, lengths, faults."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.chat import Address, MessageRef
from bot.desk import Act, ActionResult, Card, Complete, Mark, Post, PostMessage
from bot.errors import MessageGone, MessageRefused
from tests.fakes import Fault

Faults = Callable[["DeskCall", int], "Fault | Exception | None"]


@dataclass(frozen=True, slots=True)
class DeskCall:
    """One call that the desk received."""

    op: str
    post: str
    text: str
    key: str = ""


@dataclass(slots=True)
class Written:
    """A message of a post as staff see it."""

    id: str
    author: str
    message: PostMessage
    text: str
    is_struck: bool = False
    edits: int = 0


@dataclass(slots=True)
class FakePost:
    """One post as staff see it."""

    id: str
    card: Card
    card_id: str
    messages: dict[str, Written] = field(default_factory=dict)
    marks: dict[str, tuple[Mark, str]] = field(default_factory=dict)
    is_gone: bool = False

    @property
    def texts(self) -> list[str]:
        """What stands in it below the card, oldest first."""
        return [one.text for one in self.messages.values()]


@dataclass(slots=True)
class FakeDesk:
    """Messages of staff get ids of their own: `say` gives the next one."""

    name: str = "desk"
    most: int = 1900
    faults: Faults = lambda call, number: None
    calls: list[DeskCall] = field(default_factory=list)
    posts: dict[str, FakePost] = field(default_factory=dict)
    alerts: dict[str, str] = field(default_factory=dict)
    act: Act | None = None
    complete: Complete | None = None
    _by_key: dict[str, str] = field(default_factory=dict)
    _number: int = 0

    def is_post(self, at: Address) -> bool:
        return at.chat_id.startswith("post")

    def listen(self, act: Act, complete: Complete) -> None:
        self.act, self.complete = act, complete

    async def open_post(self, card: Card, *, key: str) -> Post:
        after = self._call(DeskCall("open_post", "", card.text, key))
        if (post_id := self._by_key.get(key)) is None:
            post_id = self._by_key[key] = f"post{len(self.posts) + 1}"
            self.posts[post_id] = FakePost(post_id, card, self.next_id())
        _raise(after)
        return Post(Address(self.name, post_id), self.posts[post_id].card_id)

    async def show_card(self, post: Post, card: Card) -> Post:
        after = self._call(DeskCall("show_card", post.address.chat_id, card.text))
        self._post(post).card = card
        _raise(after)
        return post

    async def write(self, post: Post, message: PostMessage, *, key: str) -> MessageRef:
        after = self._call(DeskCall("write", post.address.chat_id, message.text, key))
        place = self._post(post)
        if (not message.text and not message.files) or len(message.text) > self.most:
            raise MessageRefused("empty or too long")
        if message.reply_to is not None:
            assert isinstance(message.reply_to, str)
        if (message_id := self._by_key.get(key)) is None:
            message_id = self._by_key[key] = self.next_id()
            place.messages[message_id] = Written(message_id, message.author, message, message.text)
        _raise(after)
        return MessageRef(post.address, message_id)

    async def rewrite(self, ref: MessageRef, message: PostMessage) -> None:
        after = self._call(DeskCall("rewrite", ref.address.chat_id, message.text))
        written = self._written(ref)
        written.text, written.edits = message.text, written.edits + 1
        _raise(after)

    async def strike(self, ref: MessageRef) -> None:
        after = self._call(DeskCall("strike", ref.address.chat_id, ref.message_id))
        self._written(ref).is_struck = True
        _raise(after)

    async def mark(self, ref: MessageRef, mark: Mark, reason: str = "") -> None:
        after = self._call(DeskCall("mark", ref.address.chat_id, mark))
        self._post(Post(ref.address, "")).marks[ref.message_id] = (mark, reason)
        _raise(after)

    async def alert(self, text: str, *, key: str) -> None:
        after = self._call(DeskCall("alert", "", text, key))
        self.alerts.setdefault(key, text)
        _raise(after)

    def delete_post(self, post_id: str) -> None:
        """Somebody deletes a post."""
        self.posts[post_id].is_gone = True

    def only(self) -> FakePost:
        """The one post that there is."""
        (post,) = (post for post in self.posts.values() if not post.is_gone)
        return post

    def next_id(self) -> str:
        self._number += 1
        return str(1000 + self._number)

    def _call(self, call: DeskCall) -> Exception | None:
        """Note the call; raises what goes wrong before it takes effect, gives what goes wrong behind."""
        number = len(self.calls)
        self.calls.append(call)
        fault = self.faults(call, number)
        if fault is None:
            return None
        if isinstance(fault, Fault) and fault.applied:
            return fault.error
        raise fault.error if isinstance(fault, Fault) else fault

    def _post(self, post: Post) -> FakePost:
        found = self.posts.get(post.address.chat_id)
        if found is None or found.is_gone:
            raise MessageGone("there is no such post")
        return found

    def _written(self, ref: MessageRef) -> Written:
        written = self._post(Post(ref.address, "")).messages.get(ref.message_id)
        if written is None:
            raise MessageGone("there is no such message")
        return written


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error


async def nothing(*_: object) -> ActionResult:
    """An `Act` for where nobody acts."""
    return ActionResult("")
