"""The slash commands `/ask`, `/new`, `/stop` and `/help`, described in the reader's language."""

from collections.abc import Awaitable, Callable, Mapping

import discord
from discord import app_commands
from discord.app_commands import locale_str

from bot.chat import Command

Handle = Callable[[discord.Interaction, Command | None, str], Awaitable[None]]
"""Takes a slash command: the interaction, the command (None: a question), and the question."""

Extend = Callable[[app_commands.CommandTree, Callable[[str], locale_str]], None]
"""Adds more commands; is given what describes them by a key."""

_MAX_QUESTION = 2000


def language_of(locale: discord.Locale) -> str:
    """`vi` of `vi`, `en` of `en-GB`."""
    return locale.value.split("-")[0]


def build_tree(
    client: discord.Client,
    descriptions: Mapping[str, Mapping[str, str]],
    handle: Handle,
    extend: Extend | None = None,
) -> app_commands.CommandTree:
    """The commands for servers and direct messages, as `add_commands` describes them."""
    tree = app_commands.CommandTree(
        client,
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )
    add_commands(tree, descriptions, handle, extend)
    return tree


def add_commands(
    tree: app_commands.CommandTree,
    descriptions: Mapping[str, Mapping[str, str]],
    handle: Handle,
    extend: Extend | None = None,
) -> None:
    """Put the commands into the tree, in the place of those that are in it.

    Everybody whose language has no `descriptions` sees English ones, or the first.
    """
    tree.clear_commands(guild=None)
    everybody = descriptions.get("en") or next(iter(descriptions.values()))

    def words(key: str) -> locale_str:
        return locale_str(everybody[key], key=key)

    @tree.command(name="ask", description=words("ask"))
    @app_commands.describe(question=words("question"))
    async def ask(interaction: discord.Interaction, question: app_commands.Range[str, 1, _MAX_QUESTION]) -> None:
        await handle(interaction, None, question)

    @tree.command(name="new", description=words("new"))
    async def new(interaction: discord.Interaction) -> None:
        await handle(interaction, "new", "")

    @tree.command(name="stop", description=words("stop"))
    async def stop(interaction: discord.Interaction) -> None:
        await handle(interaction, "stop", "")

    @tree.command(name="help", description=words("help"))
    async def help_(interaction: discord.Interaction) -> None:
        await handle(interaction, "help", "")

    if extend is not None:
        extend(tree, words)


class Descriptions(app_commands.Translator):
    """Gives discord.py the description of a command in each language that we have."""

    def __init__(self, descriptions: Mapping[str, Mapping[str, str]]) -> None:
        self._descriptions = descriptions

    async def translate(
        self, string: locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        key = string.extras.get("key")
        return self._descriptions.get(language_of(locale), {}).get(key) if key else None
