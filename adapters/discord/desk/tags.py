"""The tags of the forum: one that follows the state of a case, and the labels that staff give it."""

import asyncio
import logging
from collections.abc import Callable

import discord

from adapters.discord.calls import Calls
from adapters.discord.desk.failures import MISSING_PERMISSIONS, WHERE, code_of
from adapters.discord.desk.names import tag_of
from bot.desk import Card
from bot.errors import PlatformError

log = logging.getLogger(__name__)

MOST_TAGS = 20
MOST_OF_A_POST = 5
_EMOJI = {"waiting": "🔴", "human": "🟢", "resolved": "✅", "snoozed": "💤", "blocked": "⛔"}


class Tags:
    """Finds the tags of a card by name, and makes those that are missing. `name_of`: state → name of its tag."""

    def __init__(self, *, calls: Calls, name_of: Callable[[str], str]) -> None:
        self._calls = calls
        self._name_of = name_of
        self._made: dict[str, discord.ForumTag] = {}
        self._one_at_a_time = asyncio.Lock()
        self._may_not = False

    def state_tag(self, forum: discord.ForumChannel, state: str) -> int | None:
        """The id of the tag of a state, when there is one."""
        tag = self._known(forum).get(tag_of(self._name_of(state)).casefold())
        return tag.id if tag else None

    async def of(self, forum: discord.ForumChannel, card: Card) -> list[int]:
        """The ids of the tags that a post with this card should have."""
        states: list[str] = [card.state]
        states += ["snoozed"] if card.is_snoozed and card.state != "resolved" else []
        states += ["blocked"] if card.is_blocked else []
        wanted: list[tuple[str, str | None]] = [(tag_of(self._name_of(state)), _EMOJI[state]) for state in states]
        wanted += [(tag_of(label), None) for label in card.labels]
        found: list[int] = []
        for name, emoji in wanted:
            tag = await self._tag(forum, name, emoji) if name else None
            if tag is not None and tag not in found:
                found.append(tag)
        return found[:MOST_OF_A_POST]

    async def _tag(self, forum: discord.ForumChannel, name: str, emoji: str | None) -> int | None:
        async with self._one_at_a_time:
            known = self._known(forum)
            if (tag := known.get(name.casefold())) is not None:
                return tag.id
            if self._may_not or len(known) >= MOST_TAGS:
                return None
            # Not `create_tag`: what was made a moment ago may not be in its list yet, and would go with it.
            new = discord.ForumTag(name=name, emoji=emoji)
            try:
                edited = await self._calls.make(forum.edit(available_tags=[*known.values(), new]), f"forum {forum.id}")
            except PlatformError as exc:
                self._cannot(forum, exc)
                return None
            self._made = {tag.name.casefold(): tag for tag in edited.available_tags} if edited else {}
            made = self._made.get(name.casefold())
            return made.id if made else None

    def _cannot(self, forum: discord.ForumChannel, exc: PlatformError) -> None:
        if code_of(exc) == MISSING_PERMISSIONS:
            self._may_not = True
            log.warning("Discord: posts of the desk lack tags: give the bot Manage Channel (%s).", WHERE)
        else:
            log.warning("The tags of forum %s were not changed: %s", forum.id, exc)

    def _known(self, forum: discord.ForumChannel) -> dict[str, discord.ForumTag]:
        """Name → tag. What was just made may not have been told of yet."""
        there = {tag.name.casefold(): tag for tag in forum.available_tags}
        self._made = {name: tag for name, tag in self._made.items() if name not in there}
        return {**there, **self._made}
