"""The scenes that are played at each door: who writes what, and what everybody should see in the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from bot.failpoints import STEPS
from tests.bench.kills.judge import Expected, Verdict, judge
from tests.bench.kills.web_door import WebDoor
from tests.bench.kills.words import Words, sentences
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import question_of
from tests.servers.discord import DiscordServer
from tests.servers.telegram import TelegramServer
from tests.servers.telegram.people import JPEG

Witness = Callable[[str], None]
_MODEL = ("model:arrived", "model:delta", "model:complete")
OUTSIDE: Mapping[str, Sequence[str]] = {
    "telegram": (
        *("applied:deleteWebhook", "confirmed", "applied:getUpdates", "applied:sendMessage"),
        *("applied:editMessageText", "applied:sendChatAction", *_MODEL),
    ),
    "discord": (
        *("told:MESSAGE_CREATE", "applied:POST /channels/*/messages"),
        *("applied:PATCH /channels/*/messages/*", "applied:POST /channels/*/typing", *_MODEL),
    ),
    "web": _MODEL,
}
"""The steps at which a stand-in kills the program, by door: what it asked for is done, and it never hears so."""
SECOND_LIFE = ("Messages.take_up", "Messages.give_back")
"""Transactions of a start with something left unanswered, and of the orderly end of one."""
_LATE = "Turns.cover"
"""The transaction of one who has waited for hours, while a person is to look at such cases."""
# In Telegram a complete text is begun first while there is room for it. Commands are slash commands in Discord, which
# no other process can answer, and what its library hands on can be read. The page has no links that start a
# conversation, and no pictures.
NOT_AT: Mapping[str, Sequence[str]] = {
    "telegram": ("send:whole", "sent:whole", "StoredBookmarks.keep"),
    "discord": (
        *("Messages.park", "Messages.close", "Messages.start_afresh", "Messages.keep_start"),
        *("Outbox.unsent", _LATE),
    ),
    "web": (
        *("Messages.park", "Messages.keep_start", "Messages.keep_attachment", "StoredBookmarks.keep"),
        *("Outbox.unsent", _LATE),
    ),
}
"""The steps, and the transactions, that a door's scene does not come to."""


def steps_at(door: str) -> tuple[str, ...]:
    """Every step that the scene at this door should come to."""
    inside = [step for step in STEPS if not step.endswith(tuple(NOT_AT[door]))]
    return (*inside, *OUTSIDE[door])


class Door(Protocol):
    """A platform's stand-in with people at it, and Claude's beside it."""

    claude: AnthropicServer

    @property
    def settings(self) -> Mapping[str, str]: ...

    @property
    def starts(self) -> int:
        """How often the program was there and took up its work."""
        ...

    @property
    def keeps(self) -> bool:
        """Whether what is written while the program is not there reaches it when it comes back."""
        ...

    @property
    def greets(self) -> bool:
        """Whether everybody has written once before: what somebody writes for the first time ever, while the
        program is not there, cannot be found on this platform."""
        ...

    def greet(self) -> None:
        """Everybody writes a first message."""
        ...

    async def write(self) -> None:
        """Everybody writes."""
        ...

    def write_again(self) -> None:
        """Some write once more, after the next start."""
        ...

    def verdict(self) -> Verdict: ...

    async def until(self, condition: Callable[[], bool], timeout: float) -> None: ...

    def watch(self, witness: Witness) -> None:
        """Tell of each step that is passed."""
        ...


class TelegramDoor:
    """Short and long answers, two messages in a row, a start afresh in the middle of an answer, a deep link, a
    picture, two messages of one who waits since this morning, an update that nobody can read, and a 429."""

    keeps = True
    greets = False

    def __init__(self, telegram: TelegramServer, claude: AnthropicServer) -> None:
        self.telegram, self.claude = telegram, claude
        self.words = Words(longest=9_000)
        claude.answer(lambda body: self.words.answer_to(question_of(body)))
        said = sentences()
        self.expected = {
            "7": Expected(("short70",)),
            "8": Expected(("long80",)),
            "9": Expected(("tiny90", "short91")),
            "10": Expected(
                ("long100", "short101"),
                optional=frozenset({"long100", "short101"}),
                sentences=(said["new_conversation"],),
                endings=(said["stopped"],),
            ),
            "11": Expected(("short110",), sentences=(said["greeting"],)),
            "12": Expected(sentences=(said["late_person"],)),
        }
        self.people = {chat: telegram.customer(int(chat)) for chat in self.expected}

    @property
    def settings(self) -> Mapping[str, str]:
        return {
            "TELEGRAM_BOT_TOKEN": self.telegram.token,
            "TELEGRAM_API_URL": self.telegram.url,
            "ANTHROPIC_API_KEY": self.claude.api_key,
            "ANTHROPIC_BASE_URL": self.claude.url,
            "SHOPDESK_STALE": "person",
        }

    @property
    def starts(self) -> int:
        return len(self.telegram.calls("deleteWebhook", status=200))

    def greet(self) -> None:
        """Nobody has to: Telegram keeps everything."""

    async def write(self) -> None:
        people = self.people
        self.telegram.fail("flood", "sendMessage", chat_id=7, times=1)
        morning = int(time.time()) - 7 * 3600
        people["12"].write("hỏi từ sáng", date=morning)
        people["7"].write("hỏi short70")
        people["8"].write("hỏi long80")
        people["9"].write("hỏi tiny90")
        people["9"].write("hỏi short91")
        people["10"].write("hỏi long100")
        people["11"].write("/start khuyen-mai")
        people["11"].photo("hỏi short110")
        self.telegram.push_update({"message": {"message_id": "?", "chat": 5}})
        await asyncio.sleep(0.8)
        people["12"].write("hỏi thêm từ sáng", date=morning + 1)
        people["10"].write("hỏi short101")
        await asyncio.sleep(0.2)
        people["10"].write("/new")

    def write_again(self) -> None:
        for chat, tag in (("7", "short71"), ("9", "tiny92"), ("10", "tiny102")):
            self.expected[chat] = self.expected[chat].also(tag)
            self.people[chat].write(f"hỏi {tag}")

    def verdict(self) -> Verdict:
        chats = {chat: self.telegram.texts(int(chat)) for chat in self.expected}
        return judge(chats, self.expected, self.words)

    async def until(self, condition: Callable[[], bool], timeout: float) -> None:
        await self.telegram.wait_for(condition, timeout)

    def watch(self, witness: Witness) -> None:
        self.telegram.witness = witness
        self.claude.witness = lambda step: witness(f"model:{step}")


class DiscordDoor:
    """Staff in direct messages, in a channel and in a thread: short and long answers, two messages in a row, and
    a picture."""

    keeps = greets = True

    def __init__(self, discord: DiscordServer, claude: AnthropicServer) -> None:
        self.discord, self.claude = discord, claude
        self.words = Words(longest=4_200)
        claude.answer(lambda body: self.words.answer_to(question_of(body)))
        self.people = [discord.add_member(f"Nhân viên {number}", discord.staff_role) for number in range(4)]
        self.channels = {str(one.direct.id): one.direct for one in self.people}
        self.channels |= {str(one.id): one for one in (discord.general, discord.thread)}
        direct = [str(one.direct.id) for one in self.people]
        self.after_greeting = {
            direct[0]: Expected(("short70",)),
            direct[1]: Expected(("long80",)),
            direct[2]: Expected(("tiny90", "short91")),
            direct[3]: Expected(("short100",)),
            str(discord.general.id): Expected(("tiny110",)),
            str(discord.thread.id): Expected(("long120",)),
        }
        self.expected: dict[str, Expected] = {}

    @property
    def settings(self) -> Mapping[str, str]:
        return {
            "DISCORD_BOT_TOKEN": self.discord.token,
            "DISCORD_API_URL": self.discord.api_url,
            "DISCORD_GATEWAY_URL": self.discord.gateway_url,
            "DISCORD_STAFF_ROLE_ID": str(self.discord.staff_role.id),
            "ANTHROPIC_API_KEY": self.claude.api_key,
            "ANTHROPIC_BASE_URL": self.claude.url,
        }

    @property
    def starts(self) -> int:
        return len(self.discord.gateway.identified)

    def greet(self) -> None:
        for number, (chat, later) in enumerate(self.after_greeting.items()):
            tag = f"tiny{60 + number}"
            self.expected[chat] = Expected((tag,))
            self.after_greeting[chat] = replace(later, tags=(tag, *later.tags))
        for number, person in enumerate(self.people):
            person.dm(f"hỏi tiny{60 + number}")
        self.people[0].write(self.discord.general, "hỏi tiny64")
        self.people[1].write(self.discord.thread, "hỏi tiny65")

    async def write(self) -> None:
        discord, people = self.discord, self.people
        self.expected |= self.after_greeting
        people[0].dm("hỏi short70")
        people[1].dm("hỏi long80")
        people[2].dm("hỏi tiny90")
        people[2].dm("hỏi short91")
        picture = discord.host_file("ao.jpg", JPEG, "image/jpeg")
        people[3].dm("hỏi short100", attachments=[picture])
        people[0].write(discord.general, "hỏi tiny110")
        people[1].write(discord.thread, "hỏi long120")

    def write_again(self) -> None:
        for person, tag in ((self.people[0], "short71"), (self.people[2], "tiny92")):
            chat = str(person.direct.id)
            self.expected[chat] = self.expected[chat].also(tag)
            person.dm(f"hỏi {tag}")

    def verdict(self) -> Verdict:
        chats = {
            name: [one.content for one in self.discord.answers(channel)] for name, channel in self.channels.items()
        }
        return judge(chats, self.expected, self.words)

    async def until(self, condition: Callable[[], bool], timeout: float) -> None:
        await self.discord.wait_for(condition, timeout)

    def watch(self, witness: Witness) -> None:
        self.discord.witness = witness
        self.claude.witness = lambda step: witness(f"model:{step}")


@asynccontextmanager
async def opened(door: str) -> AsyncIterator[Door]:
    """The stand-ins of a door, with its people."""
    async with AnthropicServer(rate=100.0, piece=40, delay=0.5) as claude:
        if door == "telegram":
            async with TelegramServer() as telegram:
                yield TelegramDoor(telegram, claude)
        elif door == "discord":
            async with DiscordServer(limits=False) as discord:
                yield DiscordDoor(discord, claude)
        else:
            async with WebDoor(claude) as web:
                yield web
