"""Buttons, commands and forms in the posts: who may, what it is, and the answer that only its reader sees."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord

from adapters.discord.calls import Calls
from adapters.discord.client import NO_MENTIONS
from adapters.discord.commands import language_of
from adapters.discord.desk.buttons import DeskPicker, filled_in, form
from adapters.discord.desk.desk import DiscordDesk
from adapters.discord.reading import post_address
from adapters.discord.staff import Staff
from bot.desk import Action, ActionKind, ActionResult, Person
from bot.errors import PlatformError, StorageError
from bot.text import clean, one_line

log = logging.getLogger(__name__)

_ASKS: frozenset[ActionKind] = frozenset({"snooze", "close_later", "note"})
"""Their buttons open a form."""
_LONG: frozenset[ActionKind] = frozenset({"note", "draft_send"})
_WHOM: frozenset[ActionKind] = frozenset({"assign", "transfer"})
_AT_ONCE = 1.2
"""Seconds for an answer that needs no "is thinking" before it; Discord waits three."""
_PIECE = 1900
_MOST_PIECES = 4
_MOST_CHOICES = 25
_LONGEST_CHOICE = 100


class Actions:
    """Takes interactions about the desk. `formatted` makes Discord's Markdown of a text."""

    def __init__(
        self,
        desk: DiscordDesk,
        *,
        staff: Staff,
        calls: Calls,
        sentence: Callable[[str, str | None], str],
        formatted: Callable[[str], str],
    ) -> None:
        self._desk = desk
        self._staff = staff
        self._calls = calls
        self._sentence = sentence
        self._formatted = formatted

    async def pressed(self, interaction: discord.Interaction, kind: ActionKind) -> None:
        """A button."""
        language = language_of(interaction.locale)
        if not await self.admits(interaction):
            return
        if kind in _ASKS:
            await self._ask(interaction, kind)
        elif kind in _WHOM:
            view = discord.ui.View(timeout=None)
            view.add_item(DeskPicker(kind, placeholder=self._sentence("desk_whom", language)[:150]))
            await self._say(interaction, self._sentence("desk_whom", language), view=view)
        else:
            await self.act(interaction, kind)

    async def chosen(self, interaction: discord.Interaction, kind: ActionKind, whom: discord.abc.User) -> None:
        """A person was chosen for a case."""
        if await self.admits(interaction):
            await self.act(interaction, kind, other=whom)

    async def submitted(self, interaction: discord.Interaction) -> None:
        """A form was sent off; one that is none of the desk's is left alone."""
        filled = filled_in(interaction)
        if filled is not None and await self.admits(interaction):
            await self.act(interaction, filled[0], filled[1])

    async def admits(self, interaction: discord.Interaction) -> bool:
        """Whether it comes from staff, in a post; everybody else is told why not."""
        language = language_of(interaction.locale)
        channel = interaction.channel
        if not self._staff.is_member(interaction.client, interaction.user):
            await self._say(interaction, self._sentence("staff_only", language))
        elif not isinstance(channel, discord.Thread) or channel.parent_id != self._desk.forum_id:
            await self._say(interaction, self._sentence("desk_not_here", language))
        else:
            return True
        return False

    async def act(
        self,
        interaction: discord.Interaction,
        kind: ActionKind,
        argument: str = "",
        *,
        other: discord.abc.User | None = None,
    ) -> None:
        """Do it, and say what came of it. Only staff may get here."""
        language = language_of(interaction.locale)
        if other is not None and not self._may_have_cases(interaction, other):
            await self._say(interaction, self._sentence("desk_no_staff", language))
            return
        doing = asyncio.create_task(self._result(interaction, kind, argument, other, language))
        await asyncio.wait([doing], timeout=None if kind == "draft_edit" else _AT_ONCE)
        if not doing.done():
            await self._defer(interaction)
        result = await doing
        if result.form is not None and not interaction.response.is_done():
            title = self._sentence("desk_button_draft_edit", language)
            modal = form("draft_send", title=title, label=title, text=result.form, long=True)
            await self._tell(interaction, interaction.response.send_modal(modal))
        else:
            await self._say(interaction, self._formatted(result.words) if result.words.strip() else "✅")

    async def suggest(self, interaction: discord.Interaction, kind: ActionKind, typed: str) -> Sequence[str]:
        """What the argument of a command could be."""
        channel, complete = interaction.channel, self._desk.complete
        allowed = isinstance(channel, discord.Thread) and channel.parent_id == self._desk.forum_id
        if not allowed or complete is None or not self._staff.is_member(interaction.client, interaction.user):
            return ()
        assert isinstance(channel, discord.Thread)
        try:
            found = await complete(post_address(channel.id), kind, typed)
        except StorageError as exc:
            log.warning("Nothing can be suggested: %s", exc)
            return ()
        return [one for one in found if 0 < len(one) <= _LONGEST_CHOICE][:_MOST_CHOICES]

    def _may_have_cases(self, interaction: discord.Interaction, whom: discord.abc.User) -> bool:
        return self._staff.is_member(interaction.client, whom) and not whom.bot

    async def _result(
        self,
        interaction: discord.Interaction,
        kind: ActionKind,
        argument: str,
        other: discord.abc.User | None,
        language: str,
    ) -> ActionResult:
        act = self._desk.act
        if act is None or interaction.channel is None:
            return ActionResult(self._sentence("not_taken", language))
        action = Action(
            id=str(interaction.id),
            kind=kind,
            by=_person(interaction.user),
            post=post_address(interaction.channel.id),
            argument=clean(argument).strip(),
            other=None if other is None else _person(other),
            language=language,
        )
        try:
            return await act(action)
        except StorageError as exc:
            log.error("Action %s was not taken: %s", interaction.id, exc)
        except Exception:
            log.exception("Action %s (%s) failed", interaction.id, kind)
        return ActionResult(self._sentence("not_taken", language))

    async def _ask(self, interaction: discord.Interaction, kind: ActionKind) -> None:
        language = language_of(interaction.locale)
        title, label = self._sentence(f"desk_button_{kind}", language), self._sentence(f"desk_form_{kind}", language)
        modal = form(kind, title=title, label=label, long=kind in _LONG)
        await self._tell(interaction, interaction.response.send_modal(modal))

    async def _defer(self, interaction: discord.Interaction) -> None:
        await self._tell(interaction, interaction.response.defer(thinking=True, ephemeral=True))

    async def _say(self, interaction: discord.Interaction, text: str, *, view: discord.ui.View | None = None) -> None:
        """Only to its reader; long words in several messages."""
        first, *others = _pieces(text)
        shown: dict[str, Any] = {"view": view} if view is not None else {}
        if interaction.response.is_done():
            await self._tell(
                interaction, interaction.edit_original_response(content=first, allowed_mentions=NO_MENTIONS, **shown)
            )
        else:
            send = interaction.response.send_message(first, ephemeral=True, allowed_mentions=NO_MENTIONS, **shown)
            await self._tell(interaction, send)
        for piece in others:
            more = interaction.followup.send(piece, ephemeral=True, allowed_mentions=NO_MENTIONS)
            await self._tell(interaction, more)

    async def _tell(self, interaction: discord.Interaction, call: Awaitable[object]) -> None:
        try:
            await self._calls.make(call, f"command {interaction.id}")
        except PlatformError as exc:
            log.warning("Command %s could not be answered: %s", interaction.id, exc)


def _person(user: discord.abc.User) -> Person:
    return Person(str(user.id), one_line(clean(user.display_name)))


def _pieces(text: str) -> list[str]:
    """Cut at line ends where there are some; what is too much in all is left out."""
    pieces: list[str] = []
    while text.strip() and len(pieces) < _MOST_PIECES:
        end = len(text) if len(text) <= _PIECE else text.rfind("\n", 1, _PIECE)
        end = end if end > 0 else _PIECE
        pieces.append(text[:end])
        text = text[end:].lstrip("\n")
    return pieces or ["…"]
