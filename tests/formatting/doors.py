"""The doors as a test sees them: how each formats a message, what the platform refuses, what its reader sees."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import adapters.web
from adapters.discord.markdown import to_discord
from adapters.discord.platform import LIMITS as DISCORD_LIMITS
from adapters.telegram.markdown import formatted
from adapters.telegram.platform import limits as telegram_limits
from bot.chat import OutboundMessage
from bot.links import LinkHosts
from tests.formatting.discord_client import shown
from tests.servers.discord.bodies import content_of
from tests.servers.telegram.texts import checked

HOSTS = LinkHosts.of(["shop.example", "nhamay.example"])
_BLOCKS = {"p", "h3", "h4", "h5", "h6", "hr", "pre", "blockquote", "ol", "ul", "li", "div", "tr", "th", "td", "br"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader sees of one message: its text, and the addresses that can be clicked."""

    text: str
    links: tuple[str, ...]


class Door(Protocol):
    """`see` raises when the platform would refuse the message."""

    name: str
    max_units: int

    def measure(self, text: str) -> int: ...

    def see(self, messages: Sequence[OutboundMessage]) -> list[Seen]: ...


class Telegram:
    name = "telegram"
    max_units = telegram_limits(30).max_units

    def __init__(self) -> None:
        self._formatted = partial(formatted, may_link=HOSTS.allow)

    def measure(self, text: str) -> int:
        return self._formatted(text).units

    def see(self, messages: Sequence[OutboundMessage]) -> list[Seen]:
        return [self._see(message.text) for message in messages]

    def _see(self, markdown: str) -> Seen:
        result = self._formatted(markdown)
        entities: list[dict[str, Any]] = []
        for span in result.spans:
            entity: dict[str, Any] = {"type": span.kind, "offset": span.start, "length": span.end - span.start}
            if span.value is not None:
                entity["url" if span.kind == "text_link" else "language"] = span.value
            entities.append(entity)
        text, kept = checked({"text": result.text, "entities": json.dumps(entities)})
        assert len(kept) == len(entities), "Telegram drops an entity"
        return Seen(text, tuple(entity["url"] for entity in kept if "url" in entity))


class Discord:
    name = "discord"
    max_units = DISCORD_LIMITS.max_units

    def measure(self, text: str) -> int:
        return len(to_discord(text, HOSTS.allow))

    def see(self, messages: Sequence[OutboundMessage]) -> list[Seen]:
        return [self._see(message.text) for message in messages]

    def _see(self, markdown: str) -> Seen:
        result = shown(content_of({"content": to_discord(markdown, HOSTS.allow)}, required=True))
        assert not result.controls, f"Discord reads {result.controls} out of the text"
        return Seen(result.text, tuple(result.links))


class Web:
    """The page's own scripts, in one process of node for all that is to be seen."""

    name = "web"
    max_units = 60_000

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def measure(self, text: str) -> int:
        return len(text)

    def see(self, messages: Sequence[OutboundMessage]) -> list[Seen]:
        texts = [(message.text, False) for message in messages]
        request = {"action": "views", "texts": texts, "hosts": sorted(HOSTS.names)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert isinstance(answer, list), answer
        return [Seen("".join(_words(tree)).strip("\n"), tuple(_links(tree))) for tree in answer]


@contextmanager
def open_web() -> Iterator[Web | None]:
    """The page; None where there is no node to run it."""
    node = shutil.which("node")
    if node is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "package.json").write_text('{"type": "module"}')
        for script in (Path(adapters.web.__file__).parent / "page").glob("*.js"):
            (Path(folder) / script.name).write_bytes(script.read_bytes())
        runner = Path(__file__).parent.parent / "adapters" / "web" / "page.mjs"
        with subprocess.Popen(
            [node, str(runner), folder, "lines"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            yield Web(process)
            assert process.stdin
            process.stdin.close()


def _words(tree: Sequence[Any]) -> Iterator[str]:
    for node in tree:
        if isinstance(node, str):
            yield node
        else:
            around = "\n" if node[0] in _BLOCKS else ""
            yield around
            yield from _words(node[2:])
            yield around


def _links(tree: Sequence[Any]) -> Iterator[str]:
    for node in tree:
        if not isinstance(node, str):
            if node[0] == "a":
                yield node[1]["href"]
            yield from _links(node[2:])
