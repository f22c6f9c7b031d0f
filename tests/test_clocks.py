"""The wall clock may jump: each place that asks it is known, and why it may."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Every interval is measured by a clock that does not jump. What stands here needs a moment of the calendar.
MAY_ASK = {
    "bot/__main__.py": "names of files, and the end of a span that the operator asks for",
    "bot/canary_commands.py": "how long ago, on record, a stage began",
    "bot/canary_life.py": "when a stage began, on record, and how long ago across processes",
    "bot/cli.py": "the beginning of a span that the operator asks for",
    "bot/connections.py": "which policies end soon",
    "bot/inbox.py": "when a message was received; its age only when another process received it",
    "bot/engine/budget.py": "how long ago, on record, a customer was told of a person",
    "bot/engine/engine.py": "when an answer was given, today's date for the model, and ages across processes",
    "bot/engine/late.py": "how long a message lay at the platform, before this process",
    "bot/relay/relay.py": "since when a case waits, until when it is put off, and the shop's opening hours",
    "bot/llm/wire.py": "`Retry-After` as a date",
    "bot/model_switch.py": "when a switch was turned, on record",
    "bot/policies/life.py": "when a version was made and went live",
    "bot/policies/live.py": "which policies count today",
    "bot/policy_commands/asked.py": "the beginning of a span that the operator asks for",
    "bot/policy_commands/desk.py": "which policies count today",
    "bot/policy_commands/rehearsal.py": "the date that the model is told",
    "bot/policy_commands/search.py": "which policies count today",
    "bot/storage/spending.py": "which day it is for the shop",
    "bot/storage/daily.py": "names of files, and the age of what another process made",
    "bot/storage/lock.py": "since when somebody holds the lock, as words",
    "bot/storage/outbox.py": "when a send was begun, on record",
    "adapters/console.py": "when something was written",
    "bot/storage/shelf.py": "when a file was kept, on record",
    "adapters/discord/incoming.py": "when a message was deleted, which Discord does not say",
    "adapters/discord/missed.py": "how old the oldest message is that is read back: Discord's ids are moments",
    "adapters/telegram/intake.py": "when a button was pressed, which Telegram does not say",
    "adapters/web/platform.py": "when something was written, as the page shows it",
}
_ASKS = {"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime"}
_OF = {"datetime", "date", "time"}


def asking() -> Iterator[str]:
    """The modules in which the wall clock is named."""
    for folder in ("bot", "adapters"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr in _ASKS:
                    of = node.value
                    if (of.id if isinstance(of, ast.Name) else getattr(of, "attr", "")) in _OF:
                        yield path.relative_to(ROOT).as_posix()
                elif isinstance(node, ast.ImportFrom) and node.module == "time":
                    yield from (path.relative_to(ROOT).as_posix() for name in node.names if name.name in _ASKS)


def test_the_wall_clock_is_asked_only_where_a_moment_of_the_calendar_is_meant() -> None:
    found = set(asking())
    assert found - MAY_ASK.keys() == set(), "measure intervals with time.monotonic, or say here why not"
    assert MAY_ASK.keys() - found == set()
