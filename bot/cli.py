"""The command `shopdesk`: its words, what it prints, and its exit status.

The status is 0 when all is well, 1 when something was found wrong, 2 when the command could not run.
"""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.canary_commands import canary_commands
from bot.checks import CheckResult, State
from bot.compared import print_comparison
from bot.config import Config
from bot.costs import By
from bot.errors import SettingsError, ShopdeskError
from bot.init import Connections, Init, Terminal
from bot.llm.base import ChatModel
from bot.logs import secrets_of, set_up_logging
from bot.model_commands import model_commands
from bot.policies.live import Policies
from bot.policy_commands.asked import add_asked
from bot.policy_commands.options import AsJson, EnvFile
from bot.policy_commands.search import add_search
from bot.policy_commands.tried import add_tests
from bot.policy_commands.words import policy_commands
from bot.settings import Settings, read_settings
from bot.stats import page, since_of, values
from bot.storage.backup import Listed, Saved
from bot.storage.restore import Restored
from bot.storage.stats import Stats
from bot.text import clean

log = logging.getLogger(__name__)

GOOD, FOUND_WRONG, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130
_MARKS: dict[State, tuple[str, str, str]] = {
    "ok": ("✓", "ok", "green"),
    "off": ("–", "off", "dim"),
    "warning": ("!", "warning", "yellow"),
    "failed": ("✗", "failed", "bold red"),
}
Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What the words of the command do; `bot.__main__` passes the real ones."""

    run: Callable[[Settings, Announce], Coroutine[Any, Any, None]]
    chat: Callable[[Settings], Coroutine[Any, Any, None]]
    check: Callable[[Settings], Coroutine[Any, Any, tuple[CheckResult, ...]]]
    model: Callable[[Settings, Policies], ChatModel]
    backup: Callable[[Settings, Path], Saved]
    restore: Callable[[Settings, Path], Restored]
    backups: Callable[[Settings], tuple[Listed, ...]]
    stats: Callable[[Settings, datetime | None], tuple[Stats, Config]]
    connections: Connections


def main(program: Program) -> None:
    """Run the command that was typed, and leave with its status."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # A console or pipe that is not UTF-8 shows a question mark instead of ending the program.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
    command(program)(prog_name="shopdesk")


def command(program: Program) -> typer.Typer:
    """The command as typer knows it."""
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        help="A support desk for an online shop: customers in Telegram and on the web, staff in Discord.",
        epilog="With no command it runs. The settings come from the environment, then from .env.",
    )

    @app.callback(invoke_without_command=True)
    def shopdesk(
        context: typer.Context,
        env_file: EnvFile = None,
        version: Annotated[
            bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
        ] = False,
    ) -> None:
        context.obj = env_file
        if context.invoked_subcommand is None:
            _leave(lambda: _run(program, env_file), interrupted=GOOD)

    _add_serving(app, program)
    _add_looking(app, program)
    _add_backups(app, program)
    app.add_typer(_policies(program), name="policies")
    app.add_typer(model_commands(leave=_leave, settings=_quiet_settings), name="model")
    app.add_typer(canary_commands(leave=_leave, settings=_quiet_settings), name="canary")
    return app


def _add_serving(app: typer.Typer, program: Program) -> None:
    @app.command()
    def run(context: typer.Context, env_file: EnvFile = None) -> None:
        """Serve Telegram, Discord and the web page until Ctrl-C (also with no command)."""
        _leave(lambda: _run(program, env_file or context.obj), interrupted=GOOD)

    @app.command()
    def chat(context: typer.Context, env_file: EnvFile = None) -> None:
        """Talk to the bot in this terminal, as a customer."""
        _leave(lambda: _chat(program, env_file or context.obj), interrupted=GOOD)


def _add_looking(app: typer.Typer, program: Program) -> None:
    @app.command()
    def check(
        context: typer.Context,
        compare: Annotated[
            tuple[str, str] | None,
            typer.Option("--compare", metavar="A B", help="Ask two models the same instead. It costs tokens."),
        ] = None,
        question: Annotated[
            list[str] | None,
            typer.Option("--question", metavar="TEXT", help="What is asked, instead of some of the shop's own tests."),
        ] = None,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Try every connection and say in words what works; status 1 when something does not."""
        if question and not compare:
            raise typer.BadParameter("it belongs to --compare", param_hint="--question")
        if compare:
            _leave(lambda: _compare(program, env_file or context.obj, compare, question or (), as_json=as_json))
        else:
            _leave(lambda: _check(program, env_file or context.obj, as_json=as_json))

    @app.command()
    def init(context: typer.Context, env_file: EnvFile = None) -> None:
        """Ask for each token, try it at once, and write .env."""
        _leave(lambda: _init(program, env_file or context.obj))

    @app.command()
    def stats(
        context: typer.Context,
        since: Annotated[str, typer.Option("--since", help="How far back: 90m, 24h, 7d, or all.")] = "24h",
        by: Annotated[By, typer.Option("--by", help="What the costs are added up by.")] = "model",
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Count messages, answers, waiting times and costs, also while the shop is served."""
        try:
            start = since_of(since, datetime.now(UTC))
        except ValueError as exc:
            raise typer.BadParameter(f"--since {exc}") from None
        _leave(lambda: _stats(program, env_file or context.obj, since, start, by=by, as_json=as_json))


def _add_backups(app: typer.Typer, program: Program) -> None:
    @app.command()
    def backup(
        context: typer.Context,
        file: Annotated[Path, typer.Argument(help="Where the copy goes; it must not exist yet.")],
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Save a checked copy of the database, also while the shop is served."""
        _leave(lambda: _backup(program, env_file or context.obj, file, as_json=as_json))

    @app.command()
    def restore(
        context: typer.Context,
        file: Annotated[Path | None, typer.Argument(help="The backup that the database is to become.")] = None,
        list_: Annotated[bool, typer.Option("--list", help="Show the backups that were made by themselves.")] = False,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Go back to a backup; the database of now is kept beside it. Not while the shop is served."""
        if list_ == (file is not None):
            raise typer.BadParameter("name a backup, or --list to see them")
        if file is None:
            _leave(lambda: _backups(program, env_file or context.obj, as_json=as_json))
        else:
            _leave(lambda: _restore(program, env_file or context.obj, file, as_json=as_json))


def _policies(program: Program) -> typer.Typer:
    policies = policy_commands(leave=_leave, settings=_quiet_settings)
    add_search(policies, leave=_leave, settings=_quiet_settings)
    add_tests(policies, leave=_leave, settings=_quiet_settings, model=program.model)
    add_asked(policies, leave=_leave, settings=_quiet_settings)
    return policies


def _run(program: Program, env_file: Path | None) -> int:
    settings = _settings(env_file)
    set_up_logging(settings.shopdesk_log_level, secrets=secrets_of(settings))
    asyncio.run(program.run(settings, _announce))
    return GOOD


def _chat(program: Program, env_file: Path | None) -> int:
    settings = _settings(env_file)
    set_up_logging(_quieter(settings.shopdesk_log_level), secrets=secrets_of(settings))
    asyncio.run(program.chat(settings))
    return GOOD


def _check(program: Program, env_file: Path | None, *, as_json: bool) -> int:
    settings = _settings(env_file)
    set_up_logging(_quieter(settings.shopdesk_log_level), secrets=secrets_of(settings))
    results = asyncio.run(program.check(settings))
    bad = any(result.state == "failed" for result in results)
    if as_json:
        print(json.dumps({"ok": not bad, "checks": [_as_json(result) for result in results]}, indent=2))
    else:
        show(results, Console(highlight=False))
    return FOUND_WRONG if bad else GOOD


def _compare(
    program: Program, env_file: Path | None, names: tuple[str, str], questions: Sequence[str], *, as_json: bool
) -> int:
    settings = _settings(env_file)
    # What a model fails with stands where its answer would.
    quiet = "debug" if settings.shopdesk_log_level == "debug" else "error"
    set_up_logging(quiet, secrets=secrets_of(settings))
    good = asyncio.run(print_comparison(settings, names, questions, program.model, as_json=as_json))
    return GOOD if good else FOUND_WRONG


def _init(program: Program, env_file: Path | None) -> int:
    set_up_logging("error")
    terminal = Terminal(sys.stdin, Console(highlight=False))
    Init(terminal, program.connections, env_file or Path(".env"), environ=os.environ).run()
    return GOOD


def _backup(program: Program, env_file: Path | None, file: Path, *, as_json: bool) -> int:
    settings = _quiet_settings(env_file)
    saved = program.backup(settings, file)
    if as_json:
        _print_json(saved)
    else:
        print(_plain(f"Saved {settings.database} as {saved.path}: {_contents(saved)}, {_megabytes(saved.bytes)}."))
    return GOOD


def _restore(program: Program, env_file: Path | None, file: Path, *, as_json: bool) -> int:
    done = program.restore(_quiet_settings(env_file), file)
    if as_json:
        _print_json(done)
    else:
        kept = f" The database of before is kept as {done.kept}." if done.kept else ""
        print(_plain(f"{done.database} is now what {done.source} was: {_contents(done)}.{kept}"))
    return GOOD


def _backups(program: Program, env_file: Path | None, *, as_json: bool) -> int:
    settings = _quiet_settings(env_file)
    found = program.backups(settings)
    if as_json:
        _print_json(found)
    elif not found:
        print(_plain(f"There are no backups beside {settings.database} yet."))
    for one in () if as_json else found:
        print(_plain(f"{one.path}  {one.at:%Y-%m-%d %H:%M:%S} UTC  {_megabytes(one.bytes)}  {one.fault or 'good'}"))
    return FOUND_WRONG if any(one.fault for one in found) else GOOD


def _stats(program: Program, env_file: Path | None, span: str, start: datetime | None, *, by: By, as_json: bool) -> int:
    found, config = program.stats(_quiet_settings(env_file), start)
    if as_json:
        print(json.dumps(values(found, config=config), ensure_ascii=False, indent=2))
    else:
        width = get_terminal_size().columns
        print("\n".join(_plain(line) for line in page(found, span, config=config, by=by, width=width)))
    return GOOD


def _contents(copy: Saved | Restored) -> str:
    return f"{copy.messages:,} messages and {copy.answers:,} answers, every page checked"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _print_json(what: Saved | Restored | tuple[Listed, ...]) -> None:
    values = [asdict(one) for one in what] if isinstance(what, tuple) else asdict(what)
    print(json.dumps(values, ensure_ascii=False, indent=2, default=str))


def _quiet_settings(env_file: Path | None) -> Settings:
    settings = _settings(env_file)
    set_up_logging(_quieter(settings.shopdesk_log_level), secrets=secrets_of(settings))
    return settings


def show(results: Sequence[CheckResult], console: Console) -> None:
    """Print findings as a table on a terminal, and as one line each (the fix below it) in a pipe."""
    name_width = max((len(result.name) for result in results), default=0)
    table = Table.grid(padding=(0, 2))
    for column in ("state", "name", "finding"):
        table.add_column(column, no_wrap=column != "finding", overflow="fold")
    for result in results:
        mark, word, style = _MARKS[result.state]
        message, fix = _plain(result.message), _plain(result.fix)
        if console.is_terminal:
            finding = Text.assemble(message, *([("\n→ " + fix, "italic")] if fix else []))
            name = result.name if console.width > 100 else result.name.replace(":", ":\n")
            table.add_row(Text(f"{mark} {word}", style=style), Text(name, style="bold"), finding)
        else:
            line = f"{mark} {word:<7}  {result.name:<{name_width}}  "
            console.print(Text(line + message + (f"\n{' ' * len(line)}→ {fix}" if fix else "")), soft_wrap=True)
    if console.is_terminal:
        console.print(table)


def _as_json(result: CheckResult) -> dict[str, object]:
    return {field.name: getattr(result, field.name) for field in fields(result)} | {"data": dict(result.data)}


def _settings(env_file: Path | None) -> Settings:
    if env_file is not None and not env_file.is_file():
        raise SettingsError(f"There is no file {env_file}: check what stands after --env-file.")
    return read_settings(env_file or Path(".env"))


def _leave(action: Callable[[], int], *, interrupted: int = INTERRUPTED) -> None:
    """Run an action and leave with its status; what goes wrong is a sentence on stderr, never a traceback."""
    try:
        status = action()
    except KeyboardInterrupt:
        status = interrupted
    except ShopdeskError as exc:
        log.debug("the command could not run", exc_info=exc)
        _complain(str(exc) or type(exc).__name__)
        status = COULD_NOT_RUN
    except BrokenPipeError:
        raise  # nobody reads our output any more: typer ends quietly
    except Exception as exc:
        log.exception("the command broke")
        _complain(f"Shopdesk has a fault of its own and stopped ({type(exc).__name__}); the log above says where.")
        status = COULD_NOT_RUN
    raise typer.Exit(status)


def _complain(text: str) -> None:
    console = Console(stderr=True, highlight=False)
    for line in text.splitlines():
        if line.strip():
            console.print(Text.assemble(("shopdesk: ", "bold red"), _plain(line)), soft_wrap=True)


def _announce(line: str) -> None:
    try:
        print(_plain(line), flush=True)
    except BrokenPipeError:  # nobody reads the output any more, which is no reason for the shop to close
        log.debug("nobody reads the output any more")
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())  # else the last flush of all fails once more


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            print(f"shopdesk {version('shopdesk')}")
        except PackageNotFoundError:
            print("shopdesk, from a folder that is not installed")
        raise typer.Exit


def _quieter(level: str) -> str:
    """The level of a command whose output is read by a person at this moment."""
    return "warning" if level == "info" else level


def _plain(text: str) -> str:
    """Without control characters: a name that a platform told us must not steer the terminal."""
    return clean(text)
