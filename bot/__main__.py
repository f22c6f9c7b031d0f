"""`python -m bot` and the command `shopdesk`: the words of the command joined to what they do."""

try:
    from bot import app
    from bot.cli import Program
    from bot.cli import main as run_command
    from bot.connections import CONNECTIONS, check
    from bot.settings import Settings
    from bot.storage.backup import back_up, listed
    from bot.storage.restore import restore
    from bot.storage.stats import stats
except KeyboardInterrupt:  # Ctrl-C while the libraries load
    raise SystemExit(130) from None

from collections.abc import Callable
from datetime import UTC, datetime


def main() -> None:
    """The entry point of the command."""
    run_command(
        Program(
            run=_run,
            chat=app.chat,
            check=check,
            backup=lambda settings, file: back_up(settings.database, file),
            restore=lambda settings, file: restore(settings.database, file, at=datetime.now(UTC)),
            backups=lambda settings: listed(settings.database),
            stats=lambda settings, since: stats(settings.database, since=since, at=datetime.now(UTC)),
            connections=CONNECTIONS,
        )
    )


async def _run(settings: Settings, announce: Callable[[str], None]) -> None:
    await app.run(settings, announce=announce)


if __name__ == "__main__":
    main()
