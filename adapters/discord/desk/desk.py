"""The staff's desk on Discord: a `StaffDesk` in a forum."""

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import discord

from adapters.discord.budget import Budget
from adapters.discord.calls import Calls
from adapters.discord.desk.alerts import Alerts
from adapters.discord.desk.forum import Forum
from adapters.discord.desk.hook import Hook
from adapters.discord.desk.journal import Journal
from adapters.discord.desk.marks import Marks
from adapters.discord.desk.once import Once
from adapters.discord.desk.posts import Posts
from adapters.discord.desk.tags import Tags
from adapters.discord.desk.writing import Writing
from adapters.discord.reading import NAME, channel_id_of, is_post
from bot.chat import Address, Bookmarks, MessageRef
from bot.desk import Act, Card, Complete, Mark, Post, PostMessage
from bot.errors import MessageGone

log = logging.getLogger(__name__)


class DiscordDesk:
    """A `StaffDesk` in the forum `forum_id`. It works while its platform is connected and raises `Unavailable`
    otherwise. `sentence` gives the shop's words by their key; `journal` keeps what was begun over a restart.

    Calls wait inside for Discord's limits: each post is worked on by a task of its own.
    """

    def __init__(
        self,
        forum_id: int,
        *,
        alerts_channel_id: int | None,
        staff_role_id: int | None,
        token: str,
        connected: Callable[[], discord.Client],
        calls: Calls,
        slow_calls: Calls,
        budget: Budget,
        formatted: Callable[[str], str],
        sentence: Callable[[str, str | None], str],
        journal: Bookmarks | None,
        call_timeout: float,
    ) -> None:
        def words(key: str) -> str:
            return sentence(key, None)

        self.forum_id = forum_id
        self.act: Act | None = None
        self.complete: Complete | None = None
        self._journal = Journal(journal)
        self._once = Once(token=token, timeout=call_timeout)
        self._forum = Forum(forum_id, connected=connected, calls=slow_calls)
        self._posts = Posts(
            forum=self._forum,
            tags=Tags(calls=slow_calls, name_of=lambda state: words(f"desk_tag_{state}")),
            once=self._once,
            budget=budget,
            journal=self._journal,
            formatted=formatted,
            words=words,
        )
        self._hook = Hook(once=self._once, calls=calls)
        self._writing = Writing(
            forum=self._forum,
            hook=self._hook,
            journal=self._journal,
            formatted=formatted,
            words=words,
        )
        self._marks = Marks(forum=self._forum)
        self._alerts = Alerts(
            alerts_channel_id,
            role_id=staff_role_id,
            connected=connected,
            calls=slow_calls,
            journal=self._journal,
            formatted=formatted,
        )
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._hook.forget()
        await self._journal.load()
        await self._open.enter_async_context(self._once)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    @property
    def name(self) -> str:
        return NAME

    def is_post(self, at: Address) -> bool:
        return is_post(at)

    def listen(self, act: Act, complete: Complete) -> None:
        """See `StaffDesk.listen`."""
        self.act, self.complete = act, complete

    def link(self, post: Address) -> str:
        """The address at which staff open a post. Raises as the calls do while Discord is not connected."""
        return self._forum.link(channel_id_of(post))

    async def open_post(self, card: Card, *, key: str) -> Post:
        """See `StaffDesk.open_post`. The card's buttons carry a mark made of `key`, by which it is found again."""
        return await self._posts.open(card, key)

    async def show_card(self, post: Post, card: Card) -> Post:
        """See `StaffDesk.show_card`."""
        return await self._posts.show(post, card)

    async def write(self, post: Post, message: PostMessage, *, key: str) -> MessageRef:
        """See `StaffDesk.write`. In one post one message is written after the other."""
        written = await self._writing.write(channel_id_of(post.address), message, key)
        return MessageRef(post.address, str(written))

    async def rewrite(self, ref: MessageRef, message: PostMessage) -> None:
        """See `StaffDesk.rewrite`. Files stay as they are."""
        await self._writing.rewrite(channel_id_of(ref.address), _number(ref), message)

    async def strike(self, ref: MessageRef) -> None:
        """See `StaffDesk.strike`."""
        await self._writing.strike(channel_id_of(ref.address), _number(ref))

    async def mark(self, ref: MessageRef, mark: Mark, reason: str = "") -> None:
        """See `StaffDesk.mark`."""
        await self._marks.show(channel_id_of(ref.address), ref.message_id, mark, reason)

    async def alert(self, text: str, *, key: str) -> None:
        """See `StaffDesk.alert`. In the alerts' channel the staff's role is called, and nowhere else."""
        await self._alerts.tell(text, key)


def _number(ref: MessageRef) -> int:
    if not ref.message_id.isdecimal():
        raise MessageGone("Discord: what was written by a command is no message.")
    return int(ref.message_id)
