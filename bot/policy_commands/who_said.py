"""`shopdesk policies who-said`: the answers that relied on a section, for when it turns out to be wrong."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console

from bot.errors import PromptsError, StorageError
from bot.policies.findings import shown
from bot.policies.live import Policies
from bot.policies.references import SectionName, SectionNames, name_of
from bot.policies.version import short
from bot.policy_commands.chosen import chosen
from bot.policy_commands.seen import versions_in
from bot.policy_commands.shown import Printer
from bot.settings import Settings
from bot.storage.asked import Asked, Relied
from bot.storage.reading import ReadOnlyDatabase
from bot.text import one_line

_TEXT = 200
_NAMED = 3


async def who_said(settings: Settings, words: str, since: datetime | None, limit: int, *, as_json: bool) -> int:
    """List them. Raises `StorageError` with the nearest names when there is no such section, and never was."""
    asked = await asked_in(settings)
    live = await _live(settings)
    now = {section.id: section.text for section in live.prompts.sections} if live else {}
    names = [name_of(section) for section in live.prompts.sections] if live else []
    for section_id, title, headings in await asked.known_sections():
        heading = headings.rpartition(" › ")[2] or title
        names.append(SectionName(section_id, section_id.partition("#")[0], title, heading))
    known = SectionNames(names)
    ids = known.meant(words)
    if not ids:
        near = known.nearest(words)
        guess = (
            " Did you mean " + ", ".join(f"“{one}”" for one in near) + "?" if near else " See `shopdesk policies list`."
        )
        raise StorageError(f"There is no section “{shown(words)}”, and no answer relied on one.{guess}")
    found = await asked.relied_on(sorted(ids), since)
    out = Printer(Console(highlight=False), ZoneInfo(settings.shopdesk_timezone))
    if as_json:
        answers = [
            {
                "section": one.section_id,
                "at": one.at,
                "platform": one.platform,
                "conversation": one.conversation,
                "question": one.question,
                "answer": one.answer,
                "version": one.version,
                "section_text": one.text,
                "is_current": now.get(one.section_id) == one.text,
            }
            for one in found[:limit]
        ]
        out.json({"sections": sorted(ids), "count": len(found), "answers": answers})
    else:
        _show(out, found, limit, _labels(ids, names), now)
    return 0


async def asked_in(settings: Settings) -> Asked:
    """What customers asked, only to be read. Raises `StorageError` when there is no database."""
    async with versions_in(settings) as versions:
        if versions is None:
            raise StorageError(f"There is no {settings.database} yet: no customer has asked anything.")
    return Asked(ReadOnlyDatabase(settings.database))


async def _live(settings: Settings) -> Policies | None:
    """What is live, as far as this program can read it: what was said is known without it."""
    try:
        return (await chosen(settings, "live")).policies
    except (PromptsError, StorageError):
        return None


def _labels(ids: frozenset[str], names: Sequence[SectionName]) -> str:
    labels = list(dict.fromkeys(one.label for one in names if one.id in ids))
    more = len(labels) - _NAMED
    return ", ".join(labels[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _show(out: Printer, found: Sequence[Relied], limit: int, labels: str, now: dict[str, str]) -> None:
    if not found:
        out.line(f"No answer relied on {labels}.")
        return
    answers = "1 answer" if len(found) == 1 else f"{len(found):,} answers"
    out.line((f"{answers} relied on {labels}:", "bold"))
    for one in found[:limit]:
        out.line("")
        changed = ("", "") if now.get(one.section_id) == one.text else ("  it said something else then", "yellow")
        version = short(one.version) if one.version else "unknown"
        where = f"{one.platform}, conversation {one.conversation}, version {version}, {one.section_id}"
        out.line((out.time(one.at), "bold"), f"  {where}", changed)
        out.line(("  asked     ", "dim"), one_line(one.question, _TEXT))
        out.line(("  answered  ", "dim"), one_line(one.answer, _TEXT))
    if len(found) > limit:
        out.line("")
        older = "1 older one" if len(found) - limit == 1 else f"{len(found) - limit:,} older ones"
        out.line((f"{older}: --limit shows more.", "dim"))
