"""The posts of the forum: opened once each, and kept as their cards say."""

import logging
import time
from collections import deque
from collections.abc import Callable

import discord

from adapters.discord.budget import Budget
from adapters.discord.client import NO_MENTIONS
from adapters.discord.desk.cards import Shown, Words, shown_card
from adapters.discord.desk.failures import TITLE_BLOCKED, TOO_MANY_ACTIVE, UNKNOWN_MESSAGE, UNKNOWN_TAG, code_of
from adapters.discord.desk.forum import Forum
from adapters.discord.desk.journal import Journal
from adapters.discord.desk.names import title_of
from adapters.discord.desk.once import Once
from adapters.discord.desk.tags import Tags
from adapters.discord.failures import CALL_ERRORS, platform_error
from adapters.discord.keys import mark_of, nonce_of
from adapters.discord.newest import Newest
from adapters.discord.reading import channel_id_of, post_address
from bot.desk import Card, Post
from bot.errors import MessageGone, PlatformError, Unavailable

log = logging.getLogger(__name__)

_PUBLIC_THREAD = 11
_A_WEEK = 10080
"""Minutes without a word until Discord closes a post, the longest there is."""
_RENAMES, _RENAMES_PER = 2, 600.0
"""Of one post: https://github.com/discord/discord-api-docs/issues/1900"""
_CLOSED_AT_ONCE = 20
_KEPT = 10_000
_NO_TITLE = "—"


class Posts:
    """See `StaffDesk.open_post` and `StaffDesk.show_card`."""

    def __init__(
        self,
        *,
        forum: Forum,
        tags: Tags,
        once: Once,
        budget: Budget,
        journal: Journal,
        formatted: Callable[[str], str],
        words: Words,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._forum = forum
        self._tags = tags
        self._once = once
        self._budget = budget
        self._journal = journal
        self._formatted = formatted
        self._words = words
        self._clock = clock
        self._cards: Newest[int, str] = Newest(_KEPT)
        """Post → what its card shows."""
        self._marks: Newest[int, str] = Newest(_KEPT)
        """Post → the mark in its card, of those that were looked at."""
        self._renamed: Newest[int, deque[float]] = Newest(_KEPT)

    async def open(self, card: Card, key: str) -> Post:
        forum, mark = self._forum.channel(), mark_of(key)
        place = f"open:{mark}"
        newest = max([forum.last_message_id or 0, *(thread.id for thread in forum.threads)])
        before = await self._journal.begin(place, key, newest)
        found = await self._find(forum, mark, before) if before is not None else None
        if found is None:
            try:
                found = await self._create(forum, card, mark)
            except PlatformError as exc:
                if not (isinstance(exc, Unavailable) and exc.maybe_applied):
                    await self._journal.forget(place)
                raise
        await self._journal.forget(place)
        return Post(post_address(found), str(found))

    async def show(self, post: Post, card: Card) -> Post:
        thread_id, forum = channel_id_of(post.address), self._forum.channel()
        thread = self._forum.thread(thread_id) or await self._fetch(thread_id)
        was_closed, tags = thread.archived, await self._tags.of(forum, card)
        changes = {}
        if sorted(tag.id for tag in thread.applied_tags) != sorted(tags):
            changes["applied_tags"] = tags
        shown = self._shown(card, self._mark_of(thread_id, post))
        is_other = self._cards.get(thread_id) != shown.key()
        if was_closed and (is_other or changes or card.state != "resolved"):
            await self._forum.change(thread_id, archived=False, locked=False)
        if changes:
            await self._forum.change(thread_id, **changes)
        if is_other:
            post = await self._show_card(post, shown)
            self._cards[thread_id] = shown.key()
        await self._rename(thread, title_of(card.title))
        if was_closed and card.state == "resolved" and (is_other or changes):
            await self._forum.change(thread_id, archived=True)
        return post

    async def _fetch(self, thread_id: int) -> discord.Thread:
        found = await self._forum.call(self._forum.client.fetch_channel(thread_id), thread_id)
        if not isinstance(found, discord.Thread) or found.parent_id != self._forum.id:
            raise MessageGone("Discord: the post is not in the forum of the desk.")
        return found

    def _shown(self, card: Card, mark: str) -> Shown:
        return shown_card(card, self._formatted(card.text), mark, self._words, embeds=self._forum.may("embed_links"))

    async def _show_card(self, post: Post, shown: Shown) -> Post:
        thread_id = channel_id_of(post.address)
        partial = self._forum.place(thread_id).get_partial_message(int(post.card_id))

        async def edit() -> None:
            await partial.edit(
                content=shown.content or None, embeds=shown.embeds, view=shown.view, allowed_mentions=NO_MENTIONS
            )

        try:
            await self._forum.awake(edit, thread_id)
            return post
        except MessageGone as exc:
            if not (isinstance(exc.__cause__, PlatformError) and code_of(exc.__cause__) == UNKNOWN_MESSAGE):
                raise

        async def send() -> discord.Message:
            return await self._forum.place(thread_id).send(
                content=shown.content or None,
                embeds=shown.embeds,
                view=shown.view,  # type: ignore[arg-type]
                nonce=nonce_of(f"card:{post.card_id}"),
                allowed_mentions=NO_MENTIONS,
            )

        return Post(post.address, str((await self._forum.awake(send, thread_id)).id))

    async def _rename(self, thread: discord.Thread, title: str) -> None:
        """As often as Discord allows; a title that has to wait is set with a later card."""
        if thread.name == title:
            return
        renamed = self._renamed.get(thread.id) or deque(maxlen=_RENAMES)
        now = self._clock()
        if len(renamed) == _RENAMES and now - renamed[0] < _RENAMES_PER:
            return
        renamed.append(now)
        self._renamed[thread.id] = renamed
        try:
            await self._forum.change(thread.id, name=title)
        except MessageGone:
            raise
        except PlatformError as exc:
            log.info("Post %s keeps its title for now: %s", thread.id, exc)

    def _mark_of(self, thread_id: int, post: Post) -> str:
        """What names the buttons of a post: anything will do behind the first card."""
        return self._marks.get(thread_id) or mark_of(post.card_id)

    async def _create(self, forum: discord.ForumChannel, card: Card, mark: str) -> int:
        body = {
            "name": title_of(card.title),
            "auto_archive_duration": _A_WEEK,
            "type": _PUBLIC_THREAD,
            "message": self._shown(card, mark).body(),
            "applied_tags": [str(tag) for tag in await self._tags.of(forum, card)],
        }
        for _ in range(4):
            try:
                created = await self._post(forum, body)
            except PlatformError as exc:
                if code_of(exc) == TITLE_BLOCKED and body["name"] != _NO_TITLE:
                    body["name"] = _NO_TITLE
                elif code_of(exc) == UNKNOWN_TAG and body["applied_tags"]:
                    body["applied_tags"] = []
                elif code_of(exc) != TOO_MANY_ACTIVE or not await self._make_room(forum):
                    raise self._forum.error(exc) from exc
            else:
                self._marks[created] = mark
                return created
        raise Unavailable("Discord has no room for a post of the desk.", maybe_applied=False)

    async def _post(self, forum: discord.ForumChannel, body: dict[str, object]) -> int:
        await self._budget.spend()
        try:
            created = await self._once.post(
                f"/channels/{forum.id}/threads", body, bucket=f"posts:{forum.id}", query={"use_nested_fields": "1"}
            )
            return int(created["id"])
        except CALL_ERRORS as exc:
            raise platform_error(exc, f"forum {forum.id}") from exc

    async def _make_room(self, forum: discord.ForumChannel) -> bool:
        """Close the posts that were resolved longest ago; whether there were any."""
        tag = self._tags.state_tag(forum, "resolved")
        done = [one for one in forum.threads if not one.archived and tag in [each.id for each in one.applied_tags]]
        done.sort(key=lambda one: one.last_message_id or one.id)
        for thread in done[:_CLOSED_AT_ONCE]:
            await self._forum.change(thread.id, archived=True)
        return bool(done)

    async def _find(self, forum: discord.ForumChannel, mark: str, after: int) -> int | None:
        """The post that an earlier try has opened: the mark is in the buttons of its card."""
        me = self._forum.client.user
        threads = await self._forum.call(forum.guild.active_threads(), forum.id)
        for thread in threads:
            if thread.parent_id != forum.id or me is None or thread.owner_id != me.id or thread.id <= after:
                continue
            if thread.id not in self._marks:
                self._marks[thread.id] = await self._mark_in(thread)
            if self._marks[thread.id] == mark:
                return thread.id
        return None

    async def _mark_in(self, thread: discord.Thread) -> str:
        try:
            card = await self._forum.call(self._forum.place(thread.id).fetch_message(thread.id), thread.id)
        except MessageGone:
            return ""
        for row in card.components:
            for item in getattr(row, "children", ()):
                name = getattr(item, "custom_id", None) or ""
                if name.startswith("desk:"):
                    return str(name.rpartition(":")[2])
        return ""
