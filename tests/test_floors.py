"""Imports point down only: the floors of the house, read off the source of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The longest matching name counts. Rooms of the same floor must not see each other; what has the same
# room (the second value) is one room and may.
FLOORS: dict[str, tuple[int, str]] = {
    "bot": (0, "words"),
    "bot.chat": (0, "words"),
    "bot.errors": (0, "words"),
    "bot.metrics": (0, "words"),
    "bot.text": (0, "words"),
    "bot.links": (0, "words"),
    "bot.spans": (0, "words"),
    "bot.markdown": (0, "words"),
    "bot.checks": (0, "words"),
    "bot.desk": (0, "words"),
    "bot.storage": (1, "storage"),
    "bot.settings": (1, "settings"),
    "bot.config": (1, "settings"),
    "bot.notices": (0, "words"),
    "bot.control": (1, "control"),
    "bot.llm": (1, "llm"),
    "bot.llm.base": (1, "llm"),
    "bot.tools.base": (1, "llm"),
    "bot.reply": (2, "reply"),
    "bot.outbox": (2, "outbox"),
    "bot.model_switch": (2, "switch"),
    "bot.canary": (2, "canary"),
    "bot.bursts": (2, "bursts"),
    "bot.failpoints": (2, "failpoints"),
    "bot.scheduler": (2, "scheduler"),
    "bot.handoff": (2, "handoff"),
    "bot.policies": (2, "policies"),
    "bot.llm.offline": (2, "offline"),
    "bot.llm.prices": (2, "prices"),
    "bot.llm.priced": (2, "prices"),
    "bot.engine": (3, "engine"),
    "bot.inbox": (3, "inbox"),
    "bot.backlog": (3, "inbox"),
    "bot.relay": (3, "relay"),
    "bot.llm.anthropic": (4, "anthropic"),
    "bot.llm.openai_compatible": (4, "openai"),
    "adapters": (4, "adapters"),
    "adapters.telegram": (4, "telegram"),
    "adapters.discord": (4, "discord"),
    "adapters.web": (4, "web"),
    "adapters.console": (4, "console"),
    "bot.app": (5, "root"),
    "bot.doors": (5, "root"),
    "bot.staff_desk": (5, "root"),
    "bot.models": (5, "root"),
    "bot.model_check": (5, "root"),
    "bot.cli": (5, "root"),
    "bot.policy_commands": (5, "root"),
    "bot.model_commands": (5, "root"),
    "bot.canary_life": (5, "root"),
    "bot.canary_commands": (5, "root"),
    "bot.process": (5, "root"),
    "bot.connections": (5, "root"),
    "bot.init": (5, "root"),
    "bot.envfile": (5, "root"),
    "bot.stats": (5, "root"),
    "bot.guard": (5, "root"),
    "bot.costs": (5, "root"),
    "bot.figures": (5, "root"),
    "bot.menus": (5, "root"),
    "bot.model_figures": (5, "root"),
    "bot.comparison": (5, "root"),
    "bot.compared": (5, "root"),
    "bot.logs": (5, "root"),
    "bot.__main__": (5, "root"),
}
# A door sees words, ports and settings only: it is built of nothing that the engine is built of.
DOOR_SEES = {"words", "llm"}
VENDORS = {
    "telegram": ("adapters.telegram",),
    "pyromark": ("bot.markdown",),
    "discord": ("adapters.discord",),
    "prometheus_client": ("bot.metrics",),
    "anthropic": ("bot.llm.anthropic",),
    "fastapi": ("adapters.web",),
    "uvicorn": ("adapters.web",),
    "aiosqlite": ("bot.storage",),
    "sqlite3": ("bot.storage",),
}


def room_of(module: str) -> tuple[int, str]:
    parts = module.split(".")
    while parts:
        if (name := ".".join(parts)) in FLOORS:
            return FLOORS[name]
        parts.pop()
    raise AssertionError(f"{module} has no floor: add it to FLOORS")


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """Every module that a source imports, and whether it does so at its top."""
    tree = ast.parse(source)
    top = set(map(id, tree.body)) | {
        id(child) for node in tree.body if isinstance(node, ast.If | ast.Try) for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), id(node) in top


def faults(module: str, source: str) -> list[str]:
    floor, room = room_of(module)
    found = []
    for name, at_top in imports(source):
        if name.startswith("."):
            found.append(f"{module} imports {name} relatively")
            continue
        if not at_top:
            found.append(f"{module} imports {name} inside a function")
        package = name.split(".")[0]
        allowed = VENDORS.get(package)
        if allowed and not any(module == door or module.startswith(f"{door}.") for door in allowed):
            found.append(f"{module} imports {name}, which belongs to {allowed[0]}")
        if package not in ("bot", "adapters"):
            continue
        other_floor, other_room = room_of(name)
        if other_floor > floor or (other_floor == floor and other_room != room):
            found.append(f"{module} (floor {floor}) imports {name} (floor {other_floor})")
        if floor == 4 and other_room not in DOOR_SEES | {room}:
            found.append(f"the door {module} sees {name}")
    return found


def modules() -> Iterator[tuple[str, str]]:
    for top in ("bot", "adapters"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path.read_text(encoding="utf-8")


def test_every_import_points_down() -> None:
    assert [fault for module, source in modules() for fault in faults(module, source)] == []


def test_no_file_is_longer_than_400_lines() -> None:
    too_long = [name for name, source in modules() if source.count("\n") > 400]
    assert too_long == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("bot.chat", "from bot.engine import Engine"),
        ("bot.storage.turns", "import bot.policies.search"),
        ("bot.reply", "from bot.scheduler import SendScheduler"),
        ("bot.engine", "from bot.inbox import Inbox"),
        ("adapters.telegram.door", "from adapters.discord import door"),
        ("adapters.telegram.door", "from bot.engine import Engine"),
        ("adapters.web.page", "from bot.storage.database import Database"),
        ("bot.engine", "import anthropic"),
        ("bot.inbox", "import sqlite3"),
        ("adapters.web.page", "import telegram.ext"),
        ("bot.chat", "from .errors import PlatformError"),
        ("bot.chat", "def f():\n    import json"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_found(module: str, source: str) -> None:
    assert faults(module, source) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("bot.engine", "from bot.chat import Address\nfrom bot.storage.turns import Turns"),
        ("bot.app", "from adapters.telegram.door import TelegramDoor"),
        ("adapters.telegram.door", "import telegram\nfrom bot.chat import Address"),
        ("bot.storage.turns", "from bot.storage.database import Database"),
        ("bot.llm.anthropic", "import anthropic\nfrom bot.llm.base import ModelRequest"),
    ],
)
def test_an_import_that_points_down_is_not(module: str, source: str) -> None:
    assert faults(module, source) == []
