"""`shopdesk policies search`: what a customer's question finds, for one question or for a file of them."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated
from zoneinfo import ZoneInfo

import regex
import typer
from rich.console import Console
from rich.text import Text

from bot.chat import Role
from bot.errors import StorageError
from bot.policies.check import check, read_prompts
from bot.policies.findings import shown
from bot.policies.language import guess_language
from bot.policies.period import Calendar, read_moment
from bot.policies.prompts import Prompts
from bot.policies.search import Found, Search
from bot.policies.tables import common_tables
from bot.policy_commands.options import AsJson, EnvFile, Leave, ReadSettings
from bot.settings import Settings
from bot.storage.live import live_files
from bot.text import clean, one_line

_DEFAULT_LIMIT = 5
_STDIN = "-"
# They end a line for some readers of JSON lines, and JSON lets them stand.
_LINE_ENDS = regex.compile("[\u0085\u2028\u2029]")


def add_search(app: typer.Typer, *, leave: Leave, settings: ReadSettings) -> None:
    """Add the word `search`. `leave` runs an action and ends with its status, `settings` reads them from a file."""

    @app.command()
    def search(
        context: typer.Context,
        words: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="What a customer asks.")] = None,
        batch: Annotated[
            str | None,
            typer.Option(metavar="FILE", help="One question a line, one JSON object a line out; - is stdin."),
        ] = None,
        limit: Annotated[int, typer.Option(min=1, max=1000, help="So many sections at most.")] = _DEFAULT_LIMIT,
        prompts: Annotated[
            Path | None, typer.Option(metavar="DIR", help="Search this folder instead of what is live.")
        ] = None,
        at: Annotated[
            str | None, typer.Option(metavar="DATE", help="What counts then: 2026-02-10, or “2026-02-10 18:00”.")
        ] = None,
        staff: Annotated[bool, typer.Option("--staff", help="What a question of staff finds.")] = False,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Show the sections of the policies that a question finds, best first."""
        text = " ".join(words) if words else None
        if (text is None) == (batch is None):
            raise typer.BadParameter("name a question, or --batch with a file of them")
        wall = _moment(at)
        asker: Role = "staff" if staff else "customer"

        def shelf(settings: Settings) -> Shelf:
            return Shelf(_prompts(settings, prompts), settings, wall, asker)

        leave(lambda: _search(settings(env_file or context.obj), text, batch, limit, shelf, as_json=as_json))


class Shelf:
    """The policies that are searched: those of a folder, or those that are live, as far as they count.

    `wall` is a time on the shop's clock; None: now.
    """

    def __init__(self, prompts: Prompts, settings: Settings, wall: datetime | None, asker: Role) -> None:
        zone = ZoneInfo(settings.shopdesk_timezone)
        at = wall.replace(tzinfo=zone) if wall else datetime.now(UTC)
        self._hidden = Calendar(prompts.terms().items(), zone).hidden(at, asker)
        self._search = Search(prompts.sections, common_tables().with_own(prompts.tables))
        self._languages = {section.language for section in prompts.sections}
        self._language = settings.shopdesk_language

    def find(self, text: str, limit: int) -> tuple[Found, ...]:
        """What a question finds, in the language that it seems to be in."""
        language = guess_language(text, None, self._language, self._languages)
        return self._search.find(text, language=language, limit=limit, hidden=self._hidden)

    def as_json(self, text: str, limit: int) -> str:
        """What a question finds, as JSON in one line."""
        results = [
            {
                "policy": found.section.policy,
                "heading": found.section.heading,
                "score": round(found.score, 4),
                "text": found.section.text,
            }
            for found in self.find(text, limit)
        ]
        line = json.dumps({"query": text, "results": results}, ensure_ascii=False)
        return _LINE_ENDS.sub(lambda end: f"\\u{ord(end[0]):04x}", line)


def _moment(text: str | None) -> datetime | None:
    try:
        return read_moment(text).at if text is not None else None
    except ValueError as exc:
        raise typer.BadParameter(f"“{shown(text or '')}” {exc}", param_hint="--at") from None


def _search(
    settings: Settings,
    text: str | None,
    batch: str | None,
    limit: int,
    shelf_of: Callable[[Settings], Shelf],
    *,
    as_json: bool,
) -> int:
    if batch is not None:
        with _opened(batch) as lines:
            shelf = shelf_of(settings)
            for number, line in enumerate(lines):
                query = line.decode("utf-8-sig" if number == 0 else "utf-8", errors="replace").rstrip("\r\n")
                typer.echo(shelf.as_json(query, limit))
        return 0
    shelf = shelf_of(settings)
    if as_json:
        typer.echo(shelf.as_json(text or "", limit))
    else:
        _show(shelf.find(text or "", limit), Console(highlight=False))
    return 0


@contextmanager
def _opened(batch: str) -> Iterator[IO[bytes]]:
    if batch == _STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = open(batch, "rb")  # noqa: SIM115
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise StorageError(f"{batch} cannot be read ({reason}): check what stands after --batch.") from exc
    with file:
        yield file


def _prompts(settings: Settings, folder: Path | None) -> Prompts:
    """What is searched; where nothing is live yet it is the shop's folder, and that is said."""
    if folder is None:
        if files := live_files(settings.database):
            return check(files, language=settings.shopdesk_language)
        folder = settings.shopdesk_prompts
        typer.echo(f"Nothing is live in {settings.database} yet: this is the folder {folder}.", err=True)
    return read_prompts(folder, language=settings.shopdesk_language)


def _show(found: tuple[Found, ...], console: Console) -> None:
    if not found:
        console.print("Nothing was found.")
        return
    if not found[0].good:
        console.print(Text("Nothing fits well: a customer is told that nothing was found. The nearest:", "yellow"))
    for place, one in enumerate(found, start=1):
        section = one.section
        name = Text.assemble((section.policy, "cyan"), " › ", (clean(" › ".join(section.headings)), "bold"))
        style = "" if one.good else "dim"
        console.print(Text.assemble(f"{place:>2}. ", name, (f"  {one.score:.2f}", "dim")), soft_wrap=True)
        first = next((line for line in section.text.splitlines() if line.strip()), "")
        console.print(Text(f"    {one_line(clean(first), max(20, console.width - 4))}", style), soft_wrap=True)
