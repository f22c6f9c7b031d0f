"""What the menus of commands say, in each language of the shop."""

from collections.abc import Mapping

from bot.policies.live import Policies

CUSTOMER_COMMANDS = {command: f"command_{command}" for command in ("start", "new", "stop", "help")}
STAFF_COMMANDS = {
    "ask": "command_ask",
    "question": "command_ask_question",
    "new": "command_new",
    "stop": "command_stop",
    "help": "command_help",
}


def command_descriptions(policies: Policies, commands: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Language → command → what a menu of commands says of it. `commands`: command → key of its sentence."""
    return {
        language: {command: policies.sentence(key, language) for command, key in commands.items()}
        for language in policies.languages
    }
