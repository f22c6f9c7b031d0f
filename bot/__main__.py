"""`python -m bot` and the command `shopdesk`: the words of the command joined to what they do."""

try:
    from bot.cli import Program
    from bot.cli import main as run_command
    from bot.config import Config, read_config
    from bot.init import Connections
    from bot.llm.prices import Prices
    from bot.settings import Settings
    from bot.storage.backup import back_up, listed
    from bot.storage.restore import restore
    from bot.storage.stats import Stats, stats
except KeyboardInterrupt:  # Ctrl-C while the libraries load
    raise SystemExit(130) from None

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo


def main() -> None:
    """The entry point of the command."""
    run_command(
        Program(
            run=_run,
            chat=_later("bot.app", "chat"),
            check=_later("bot.connections", "check"),
            backup=lambda settings, file: back_up(settings.database, file),
            restore=lambda settings, file: restore(settings.database, file, at=datetime.now(UTC)),
            backups=lambda settings: listed(settings.database),
            model=_later("bot.models", "model_of"),
            stats=_stats,
            connections=Connections(
                telegram=_later("adapters.telegram.check", "check_telegram"),
                discord=_later("adapters.discord.check", "check_discord"),
                anthropic=_later("bot.model_check", "check_claude"),
            ),
        )
    )


async def _run(settings: Settings, announce: Callable[[str], None]) -> None:
    await _later("bot.app", "run")(settings, announce=announce)


def _stats(settings: Settings, since: datetime | None) -> tuple[Stats, Config]:
    config = read_config(settings.config_file)
    zone, is_free = ZoneInfo(settings.shopdesk_timezone), Prices(config.prices).is_free
    found = stats(settings.database, since=since, at=datetime.now(UTC), timezone=zone, is_free=is_free)
    return found, config


def _later(module: str, name: str) -> Callable[..., Any]:
    """A function that is loaded when it is called: the platforms' libraries take a second or two."""

    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **named)

    return call


if __name__ == "__main__":
    main()
