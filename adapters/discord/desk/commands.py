"""The slash commands of the desk, for use in its posts."""

from collections.abc import Callable, Coroutine
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import locale_str

from adapters.discord.desk.actions import Actions
from bot.desk import ActionKind

AnyCommand = app_commands.Command[Any, Any, None]
Suggest = Callable[[discord.Interaction, str], Coroutine[Any, Any, list[app_commands.Choice[str]]]]
Words = Callable[[str], locale_str]
"""A description by its key, for everybody and in each language."""

PLAIN: tuple[ActionKind, ...] = ("take", "release", "resolve", "reopen", "block", "unblock", "history", "who")
WITH_PERSON: tuple[ActionKind, ...] = ("assign", "transfer")
WITH_TIME: tuple[tuple[ActionKind, str], ...] = (("snooze", "snooze"), ("close_later", "close"))
WITH_CHOICE: tuple[ActionKind, ...] = ("snippet", "tag")
WITH_WORDS: tuple[ActionKind, ...] = ("note", "reply")
DESCRIBED = (
    *PLAIN,
    *WITH_PERSON,
    *(name for _, name in WITH_TIME),
    *WITH_CHOICE,
    *WITH_WORDS,
    *("person", "when", "words", "choice"),
)
"""What needs a description: the commands, and their arguments."""

_LONGEST = 2000


def add_commands(tree: app_commands.CommandTree, actions: Actions, words: Words) -> None:
    """Add them to those of the bot."""
    for kind in PLAIN:
        tree.add_command(_plain(kind, actions, words))
    for kind in WITH_PERSON:
        tree.add_command(_with_person(kind, actions, words))
    for kind, name in WITH_TIME:
        tree.add_command(_with_time(kind, name, actions, words))
    for kind in WITH_CHOICE:
        tree.add_command(_with_choice(kind, actions, words))
    for kind in WITH_WORDS:
        tree.add_command(_with_words(kind, actions, words))


async def _do(
    actions: Actions,
    interaction: discord.Interaction,
    kind: ActionKind,
    argument: str = "",
    other: discord.abc.User | None = None,
) -> None:
    if await actions.admits(interaction):
        await actions.act(interaction, kind, argument, other=other)


def _plain(kind: ActionKind, actions: Actions, words: Words) -> AnyCommand:
    @app_commands.command(name=kind, description=words(kind))
    @app_commands.guild_only()
    async def command(interaction: discord.Interaction) -> None:
        await _do(actions, interaction, kind)

    return command


def _with_person(kind: ActionKind, actions: Actions, words: Words) -> AnyCommand:
    @app_commands.command(name=kind, description=words(kind))
    @app_commands.describe(person=words("person"))
    @app_commands.guild_only()
    async def command(interaction: discord.Interaction, person: discord.Member) -> None:
        await _do(actions, interaction, kind, other=person)

    return command


def _with_time(kind: ActionKind, name: str, actions: Actions, words: Words) -> AnyCommand:
    @app_commands.command(name=name, description=words(name))
    @app_commands.describe(when=words("when"))
    @app_commands.autocomplete(when=_suggesting(kind, actions))
    @app_commands.guild_only()
    async def command(interaction: discord.Interaction, when: app_commands.Range[str, 1, 100]) -> None:
        await _do(actions, interaction, kind, when)

    return command


def _with_choice(kind: ActionKind, actions: Actions, words: Words) -> AnyCommand:
    @app_commands.command(name=kind, description=words(kind))
    @app_commands.describe(choice=words("choice"))
    @app_commands.autocomplete(choice=_suggesting(kind, actions))
    @app_commands.guild_only()
    async def command(interaction: discord.Interaction, choice: app_commands.Range[str, 1, 100]) -> None:
        await _do(actions, interaction, kind, choice)

    return command


def _with_words(kind: ActionKind, actions: Actions, words: Words) -> AnyCommand:
    @app_commands.command(name=kind, description=words(kind))
    @app_commands.describe(text=words("words"))
    @app_commands.guild_only()
    async def command(interaction: discord.Interaction, text: app_commands.Range[str, 1, _LONGEST]) -> None:
        await _do(actions, interaction, kind, text)

    return command


def _suggesting(kind: ActionKind, actions: Actions) -> Suggest:
    async def suggest(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        found = await actions.suggest(interaction, kind, typed)
        return [app_commands.Choice(name=one, value=one) for one in found]

    return suggest
