"""Visitors of the page while the program comes and goes: they post until it is taken, and connect again."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Self

import aiohttp

from tests.bench.kills.judge import Expected, Verdict, judge
from tests.bench.kills.words import Words, sentences
from tests.bench.program import free_port
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import question_of
from tests.whole.visitor import Visitor
from tests.words import eventually

_AGAIN = 0.05
_GONE = (aiohttp.ClientError, OSError)


class PatientVisitor(Visitor):
    """Does what the page does: what could not be posted is posted again under the same id."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._lines: asyncio.Queue[tuple[str, dict[str, str]]] = asyncio.Queue()
        self._life = asyncio.create_task(self._live())

    def say(self, text: str) -> None:
        self._lines.put_nowait(("messages", {"id": str(uuid.uuid4()), "text": text}))

    def start_afresh(self) -> None:
        self._lines.put_nowait(("new", {"id": str(uuid.uuid4())}))

    async def leave(self) -> None:
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)

    async def _live(self) -> None:
        entered = False
        try:
            while not entered:
                try:
                    await self.__aenter__()
                    entered = True
                except _GONE:
                    await self._session.close()
                    await asyncio.sleep(_AGAIN)
            while True:
                path, body = await self._lines.get()
                status = 0
                while status != 202:
                    with suppress(*_GONE):
                        status = await self.post(path, body)
                    if status != 202:
                        await asyncio.sleep(_AGAIN)
        finally:
            if entered:
                await self.__aexit__()

    async def _listen(self) -> None:
        while True:
            with suppress(*_GONE):
                await super()._listen()
            await asyncio.sleep(_AGAIN)


class WebDoor:
    """Short and long answers, two messages in a row, a start afresh in the middle of an answer."""

    keeps = True
    greets = False

    def __init__(self, claude: AnthropicServer) -> None:
        self.claude = claude
        self.words = Words(longest=9_000)
        claude.answer(lambda body: self.words.answer_to(question_of(body)))
        self.starts = 0
        self._address = f"127.0.0.1:{free_port()}"
        self.expected = {
            "short": Expected(("short70",)),
            "long": Expected(("long80",)),
            "twice": Expected(("tiny90", "short91")),
            # What was said before a start afresh leaves the page.
            "afresh": Expected(endings=(sentences()["stopped"],), welcome=(sentences()["new_conversation"],)),
        }

    async def __aenter__(self) -> Self:
        self.people = {name: PatientVisitor(f"http://{self._address}") for name in self.expected}
        self._watching = asyncio.create_task(self._count_starts())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, *(one.leave() for one in self.people.values()), return_exceptions=True)

    @property
    def settings(self) -> Mapping[str, str]:
        return {
            "SHOPDESK_WEB": self._address,
            "ANTHROPIC_API_KEY": self.claude.api_key,
            "ANTHROPIC_BASE_URL": self.claude.url,
        }

    def greet(self) -> None:
        """Nobody has to: the page keeps what was not taken."""

    async def write(self) -> None:
        self.people["short"].say("hỏi short70")
        self.people["long"].say("hỏi long80")
        self.people["twice"].say("hỏi tiny90")
        self.people["twice"].say("hỏi short91")
        self.people["afresh"].say("hỏi long100")
        await asyncio.sleep(1.0)
        self.people["afresh"].say("hỏi short101")
        self.people["afresh"].start_afresh()

    def write_again(self) -> None:
        for name, tag in (("short", "short71"), ("twice", "tiny92"), ("afresh", "tiny102")):
            self.expected[name] = self.expected[name].also(tag)
            self.people[name].say(f"hỏi {tag}")

    def verdict(self) -> Verdict:
        chats = {
            name: [shown.text for shown in one.page.values() if shown.role == "assistant"]
            for name, one in self.people.items()
        }
        return judge(chats, self.expected, self.words)

    async def until(self, condition: Callable[[], bool], timeout: float) -> None:
        await eventually(condition, timeout)

    def watch(self, witness: Callable[[str], None]) -> None:
        self.claude.witness = lambda step: witness(f"model:{step}")

    async def _count_starts(self) -> None:
        was_there = False
        async with aiohttp.ClientSession() as session:
            while True:
                there = False
                with suppress(*_GONE):
                    async with session.get(f"http://{self._address}/healthz") as answer:
                        there = answer.status == 200
                self.starts += there and not was_there
                was_there = there
                await asyncio.sleep(_AGAIN)
