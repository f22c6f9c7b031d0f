"""`shopdesk policies gaps`, `who-said` and `replay`: what customers asked, beside what the policies say."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.policies.naming import FOLDER
from bot.policy_commands.gaps import Gaps
from bot.policy_commands.options import AsJson, EnvFile, Leave, ReadSettings
from bot.policy_commands.replay import replay
from bot.policy_commands.who_said import who_said
from bot.settings import Settings
from bot.stats import since_of

Work = Callable[[Settings], Coroutine[Any, Any, int]]
Does = Callable[[typer.Context, Path | None, Work], None]
Since = Annotated[str, typer.Option(help="How far back: 90m, 24h, 30d, or all.")]


def add_asked(app: typer.Typer, *, leave: Leave, settings: ReadSettings) -> None:
    """Add the words. `leave` runs an action and ends with its status, `settings` reads them from a file."""

    def does(context: typer.Context, env_file: Path | None, work: Work) -> None:
        leave(lambda: asyncio.run(work(settings(env_file or context.obj))))

    _add_gaps(app, does)
    _add_past(app, does)


def _add_gaps(app: typer.Typer, does: Does) -> None:
    @app.command()
    def gaps(
        context: typer.Context,
        since: Since = "30d",
        limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many groups at most.")] = 20,
        write_test: Annotated[
            int | None, typer.Option(metavar="N", min=1, help="Write a test for group N into tests/gaps.yaml.")
        ] = None,
        finds: Annotated[
            str | None,
            typer.Option(metavar="SECTION", help="With --write-test: the section that answers it, now or soon."),
        ] = None,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Show what customers asked and no policy answers, the same questions together, most asked first."""
        if finds is not None and write_test is None:
            raise typer.BadParameter("only together with --write-test N", param_hint="--finds")
        start = _start(since)
        if write_test is None:
            does(context, env_file, lambda found: Gaps(found, start, since).show(limit, as_json=as_json))
        else:
            does(context, env_file, lambda found: Gaps(found, start, since).write(write_test, finds, as_json=as_json))


def _add_past(app: typer.Typer, does: Does) -> None:
    @app.command("who-said")
    def who_said_(
        context: typer.Context,
        section: Annotated[str, typer.Argument(help="vi/returns#phi-doi-tra, vi/returns, or “returns › heading”.")],
        since: Since = "all",
        limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many answers at most.")] = 50,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Show the answers that relied on a section, newest first: for when it was wrong."""
        start = _start(since)
        does(context, env_file, lambda found: who_said(found, section, start, limit, as_json=as_json))

    @app.command("replay")
    def replay_(
        context: typer.Context,
        last: Annotated[int, typer.Option(min=1, max=10_000, help="So many questions of customers.")] = 50,
        candidate: Annotated[
            bool, typer.Option("--candidate", help="Against the folder; that is the default.")
        ] = False,
        version: Annotated[str | None, typer.Option(metavar="V", help="Against this version instead.")] = None,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Show for which of the last real questions other sections would be found than in what is live."""
        if candidate and version is not None:
            raise typer.BadParameter("choose --candidate or --version")
        does(context, env_file, lambda found: replay(found, version or FOLDER, last, as_json=as_json))


def _start(since: str) -> datetime | None:
    try:
        return since_of(since, datetime.now(UTC))
    except ValueError as exc:
        raise typer.BadParameter(f"--since {exc}") from None
