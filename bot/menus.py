"""The commands that each door shows in its menu, and what is said there of each."""

from collections.abc import Mapping

from adapters.discord.desk.commands import DESCRIBED
from bot.policies.live import Policies
from bot.settings import Settings
from bot.staff_desk import has_desk


def customer_commands(settings: Settings) -> Mapping[str, str]:
    """Command → key of its sentence. Nobody is offered a person where there is no desk for one."""
    commands = ("start", "new", "stop", *(("human",) if has_desk(settings) else ()), "help")
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
