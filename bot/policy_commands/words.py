"""The words of `shopdesk policies`: what may be typed, and what each of it does.

The status is 0 when all is well, 1 when something was found wrong, 2 when the command could not run.
"""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.policies.naming import FOLDER
from bot.policy_commands.desk import Desk
from bot.policy_commands.options import AsJson, EnvFile, Leave, ReadSettings

Version = Annotated[str, typer.Argument(help="First digits of an id, live, live~1 (the one before it), or folder.")]
Work = Callable[[Desk], Coroutine[Any, Any, int]]
Does = Callable[[typer.Context, Path | None, Work], None]


def policy_commands(*, leave: Leave, settings: ReadSettings) -> typer.Typer:
    """The group of words. `leave` runs an action and ends with its status, `settings` reads them from a file."""
    app = typer.Typer(no_args_is_help=True, help="What the shop says: see, compare, check and change what is live.")

    def does(context: typer.Context, env_file: Path | None, work: Work) -> None:
        leave(lambda: asyncio.run(work(Desk(settings(env_file or context.obj)))))

    _add_state(app, does)
    _add_contents(app, does)
    _add_changes(app, does)
    return app


def _add_state(app: typer.Typer, does: Does) -> None:
    @app.command()
    def check(
        context: typer.Context,
        folder: Annotated[Path | None, typer.Argument(help="Another folder than the shop's own.")] = None,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Check the folder: every problem with file, line and fix; status 1 when there is one."""
        does(context, env_file, lambda desk: desk.check(folder, as_json=as_json))

    @app.command("list")
    def list_(context: typer.Context, as_json: AsJson = False, env_file: EnvFile = None) -> None:
        """Show what is live, and how the folder differs from it; status 1 when the folder cannot go live."""
        does(context, env_file, lambda desk: desk.list(as_json=as_json))

    @app.command("history")
    def history_(
        context: typer.Context,
        limit: Annotated[int, typer.Option(min=1, help="So many versions at most.")] = 20,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Show all versions, the newest first: when they were live, by whom and why."""
        does(context, env_file, lambda desk: desk.history(limit, as_json=as_json))


def _add_contents(app: typer.Typer, does: Does) -> None:
    @app.command()
    def show(
        context: typer.Context,
        words: Annotated[list[str], typer.Argument(metavar="[VERSION] FILE", help="By default of what is live.")],
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Print a file as it is in a version: `show live~1 vi/returns`."""
        if len(words) > 2:
            raise typer.BadParameter("name a version and a file, or only a file")
        version, file = (words[0], words[1]) if len(words) == 2 else (None, words[0])
        does(context, env_file, lambda desk: desk.show(version, file, as_json=as_json))

    @app.command()
    def diff(
        context: typer.Context,
        before: Version = "live",
        after: Version = FOLDER,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Show how two versions differ, file by file; by default what is live and the folder."""
        does(context, env_file, lambda desk: desk.diff(before, after, as_json=as_json))


def _add_changes(app: typer.Typer, does: Does) -> None:
    @app.command("activate")
    def activate_(
        context: typer.Context,
        version: Version,
        reason: Annotated[str, typer.Option(help="Why; it is kept with the version.")],
        force: Annotated[bool, typer.Option("--force", help="Although its tests fail.")] = False,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Make a version live, or what the folder holds; also while the shop is served."""
        if not reason.strip():
            raise typer.BadParameter("say why", param_hint="--reason")
        does(context, env_file, lambda desk: desk.activate(version, reason.strip(), force=force, as_json=as_json))

    @app.command("rollback")
    def rollback_(
        context: typer.Context,
        reason: Annotated[str, typer.Option(help="Why; it is kept with the version.")] = "rollback",
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Go back to the version that was live before. The folder stays as it is."""
        does(context, env_file, lambda desk: desk.rollback(reason.strip() or "rollback", as_json=as_json))
