"""A visitor for tests: a browser's event stream and the page's thread, in a few lines of Python."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True)
class Event:
    """One Server-Sent Event as a browser would hand it on."""

    kind: str
    data: dict[str, Any]
    id: str = ""


def parse(lines: Iterable[str]) -> Event | None:
    """The event of one block of lines; None for a comment."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name:
            fields[name] = fields.get(name, "") + value.removeprefix(" ")
    if "data" not in fields:
        return None
    data = json.loads(fields["data"])
    return Event(fields.get("event", "message"), data if isinstance(data, dict) else {}, fields.get("id", ""))


@dataclass
class Thread:
    """What the page shows: the rules of `page/thread.js` once more."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    last_id: str = ""
    ready: bool = False
    typing: int = 0
    fresh: dict[str, dict[str, Any]] | None = None

    def apply(self, event: Event) -> None:
        messages = self.messages if self.fresh is None else self.fresh
        data = event.data
        match event.kind:
            case "snapshot":
                self.fresh = {}
            case "message":
                messages[data["key"]] = messages.get(data["key"], {}) | data
            case "append" if data["key"] in messages:
                message = messages[data["key"]]
                message["text"] = _utf16_cut(message["text"], data["at"]) + data["text"]
                message["cut"] = data["cut"]
            case "settle" if data["key"] in messages:
                messages[data["key"]] |= {name: data[name] for name in ("growing", "sources", "files", "offers")}
            case "remove":
                messages.pop(data["key"], None)
            case "clear":
                messages.clear()
            case "shown":
                assert self.fresh is not None
                self.messages, self.fresh, self.ready = self.fresh, None, True
            case "typing":
                self.typing += 1
        self.last_id = event.id or self.last_id

    def cut(self) -> None:
        self.fresh = None

    @property
    def texts(self) -> list[tuple[str, str]]:
        return [(message["role"], message["text"]) for message in self.messages.values()]


class Visitor:
    """A browser with one cookie jar. `url` ends in a slash."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url
        self.thread = Thread()

    async def post(self, path: str = "api/messages", **body: Any) -> tuple[int, dict[str, Any]]:
        async with self.http.post(self.url + path, json={"id": str(uuid.uuid4()), **body}) as response:
            return response.status, await response.json()

    async def say(self, text: str, **body: Any) -> str:
        key = str(uuid.uuid4())
        status, answer = await self.post(id=key, text=text, **body)
        assert status == 202, answer
        return key

    @asynccontextmanager
    async def stream(self, *, after: str | None = None) -> AsyncIterator[AsyncIterator[Event]]:
        """The raw events from `after` on; by default from the last one that the thread has seen."""
        after = self.thread.last_id if after is None else after
        headers = {"Last-Event-ID": after} if after else {}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.http.get(self.url + "api/events", headers=headers, timeout=timeout) as response:
            assert response.status == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            yield _events(response)

    async def watch(self, until: Callable[[Thread], bool], *, timeout: float = 10) -> None:
        """Let the thread follow the stream until it shows what is waited for, then drop the line."""
        self.thread.cut()
        async with asyncio.timeout(timeout), self.stream() as events:
            async for event in events:
                self.thread.apply(event)
                if until(self.thread):
                    return


def settled(count: int = 1) -> Callable[[Thread], bool]:
    """Whether so many answers are shown and none grows."""

    def check(thread: Thread) -> bool:
        answers = [message for message in thread.messages.values() if message["role"] != "customer"]
        return thread.ready and len(answers) >= count and not any(answer["growing"] for answer in answers)

    return check


@asynccontextmanager
async def visitor(url: str) -> AsyncIterator[Visitor]:
    """A visitor who has opened the page and so has his cookie."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        async with http.get(url) as response:
            assert response.status == 200
        yield Visitor(http, url)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    block: list[str] = []
    async for raw in response.content:
        line = raw.decode("utf-8").removesuffix("\n")
        if line:
            block.append(line)
            continue
        if event := parse(block):
            yield event
        block = []


def _utf16_cut(text: str, units: int) -> str:
    return text.encode("utf-16-le", "surrogatepass")[: 2 * units].decode("utf-16-le", "surrogatepass")
