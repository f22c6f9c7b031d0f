"""The commands that each door shows in its menu, and what is said there of each."""

from collections.abc import Mapping

from adapters.discord.desk.commands import DESCRIBED
from bot.policies.live import Policies
from bot.settings import Settings


def customer_commands(settings: Settings) -> Mapping[str, str]:
    """Command → key of its sentence. Nobody is offered a person where there is no desk for one."""
    has_desk = settings.discord_bot_token is not None and settings.discord_tickets_channel_id is not None
    commands = ("start", "new", "stop", *(("human",) if has_desk else ()), "help")
    return {command: f"command_{command}" for command in commands}


def staff_commands() -> Mapping[str, str]:
    """The same for staff, with the arguments of their commands."""
    return {
        **{command: f"command_{command}" for command in ("ask", "new", "stop", "help")},
        "question": "command_ask_question",
        **{name: f"command_desk_{name}" for name in DESCRIBED},
    }


def described(policies: Policies, commands: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Language → command → what a menu of commands says of it. `commands`: command → key of its sentence."""
    return {
        language: {command: policies.sentence(key, language) for command, key in commands.items()}
        for language in policies.languages
    }
