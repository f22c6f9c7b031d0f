"""`shopdesk init`: asks for each token, tries it at once, says what was found, and writes `.env`."""

import asyncio
import getpass
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.text import Text

from bot.checks import CheckResult
from bot.envfile import read_env, write_env
from bot.errors import SettingsError
from bot.settings import DEFAULT_MODEL, Settings
from bot.text import clean

Check = Coroutine[Any, Any, CheckResult]


class TelegramCheck(Protocol):
    def __call__(self, *, token: str, api_url: str, proxy_url: str | None) -> Check: ...


class DiscordCheck(Protocol):
    def __call__(
        self,
        *,
        token: str,
        api_url: str | None,
        gateway_url: str | None,
        staff_role_id: int | None,
        tickets_channel_id: int | None,
    ) -> Check: ...


class AnthropicCheck(Protocol):
    def __call__(self, *, model: str, api_keys: Sequence[str], base_url: str) -> Check: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """How each connection is tried; nothing is kept open."""

    telegram: TelegramCheck
    discord: DiscordCheck
    anthropic: AnthropicCheck


class Terminal:
    """Questions and answers in a terminal, or line by line in a pipe."""

    def __init__(self, lines: TextIO, console: Console) -> None:
        self._lines = lines
        self._console = console

    def say(self, text: str, style: str = "") -> None:
        self._console.print(Text(clean(text), style=style))

    def ask(self, question: str, *, hidden: bool = False) -> str:
        """One line of answer without the white space around it. Raises `EOFError` when there is none."""
        if hidden and self._lines.isatty():
            return getpass.getpass(f"{question}: ").strip()
        self._console.print(Text(f"{question}: "), end="")
        line = self._lines.readline()
        if not self._lines.isatty():
            self._console.print()
        if not line:
            raise EOFError
        return line.strip()

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Show that something is going on."""
        return self._console.status(Text(text))


class Init:
    """The conversation of `init`; what is not answered stays as it is in the file."""

    def __init__(self, terminal: Terminal, connections: Connections, path: Path, *, environ: Mapping[str, str]) -> None:
        self._terminal = terminal
        self._connections = connections
        self._path = path
        self._environ = environ
        self._present = read_env(path)
        self._chosen: dict[str, str] = {}

    def run(self) -> None:
        """Ask everything, then write. Raises `SettingsError` with one sentence when it cannot go on."""
        say = self._terminal.say
        say("Shopdesk needs no account to begin with: every question can be skipped with Enter.")
        try:
            self._telegram()
            self._discord()
            self._anthropic()
            self._language()
        except EOFError:
            raise SettingsError(
                "The input ended before the last question and nothing was written: run `shopdesk init` in a terminal."
            ) from None
        self._write()
        say("\nNext: `shopdesk` starts the desk, `shopdesk check` tries every connection again.", "bold")

    def _telegram(self) -> None:
        self._head("Telegram", "In Telegram, write /newbot to @BotFather; it answers with the token.")
        self._settle(
            "TELEGRAM_BOT_TOKEN",
            lambda: self._secret("TELEGRAM_BOT_TOKEN", "Telegram bot token"),
            lambda: self._connections.telegram(
                token=self._value("TELEGRAM_BOT_TOKEN"),
                api_url=self._value("TELEGRAM_API_URL"),
                proxy_url=self._value("TELEGRAM_PROXY_URL") or None,
            ),
            self._way_to_telegram,
        )

    def _way_to_telegram(self) -> None:
        self._terminal.say(
            "Networks in Vietnam have been blocking Telegram since 2025. A proxy abroad helps, or a Bot API server "
            "of your own that can be reached. Enter leaves each as it is."
        )
        schemes = ("http", "https", "socks5", "socks5h")
        self._address("TELEGRAM_PROXY_URL", "Proxy, for example socks5://127.0.0.1:1080", schemes)
        self._address("TELEGRAM_API_URL", "Address of the Bot API server", ("http", "https"))

    def _discord(self) -> None:
        self._head(
            "Discord",
            "On discord.com/developers/applications: your application, Bot, Reset Token. "
            "Switch on the Message Content Intent on the same page.",
        )
        self._settle(
            "DISCORD_BOT_TOKEN",
            lambda: self._secret("DISCORD_BOT_TOKEN", "Discord bot token"),
            self._try_discord,
        )
        if self._value("DISCORD_BOT_TOKEN"):
            self._terminal.say(
                "Who counts as staff? In Discord's settings, Advanced, switch on Developer Mode; then a right click "
                "on the role in the server settings copies its id."
            )
            self._settle(
                "DISCORD_STAFF_ROLE_ID",
                lambda: self._number("DISCORD_STAFF_ROLE_ID", "Id of the staff role"),
                self._try_discord,
            )

    def _try_discord(self) -> Check:
        return self._connections.discord(
            token=self._value("DISCORD_BOT_TOKEN"),
            api_url=self._value("DISCORD_API_URL") or None,
            gateway_url=self._value("DISCORD_GATEWAY_URL") or None,
            staff_role_id=_as_id(self._value("DISCORD_STAFF_ROLE_ID")),
            tickets_channel_id=_as_id(self._value("DISCORD_TICKETS_CHANNEL_ID")),
        )

    def _anthropic(self) -> None:
        self._head(
            "Claude",
            "On platform.claude.com, API keys. Without a key the bot quotes your policies word for word. "
            "Another provider (OpenAI, a gateway, Ollama): skip this, and see OPENAI_BASE_URL in .env.example.",
        )
        named = self._value("SHOPDESK_MODEL")
        model = named if named.startswith("anthropic:") else DEFAULT_MODEL
        self._settle(
            "ANTHROPIC_API_KEY",
            lambda: self._secret("ANTHROPIC_API_KEY", "Claude API key"),
            lambda: self._connections.anthropic(
                model=model.removeprefix("anthropic:"),
                api_keys=[key.strip() for key in self._value("ANTHROPIC_API_KEY").split(",") if key.strip()],
                base_url=self._value("ANTHROPIC_BASE_URL"),
            ),
            lambda: self._address("ANTHROPIC_BASE_URL", "Address of the API or of your gateway", ("http", "https")),
        )
        if self._value("ANTHROPIC_API_KEY") and named == "offline":
            self._terminal.say("SHOPDESK_MODEL is offline: Claude answers once that setting is taken out.", "yellow")

    def _language(self) -> None:
        self._head("Language", "The shop's own language, for customers whose language is not known.")
        present = self._value("SHOPDESK_LANGUAGE")
        while (answer := self._terminal.ask(f"vi or en [{present}]").lower()) not in ("", "vi", "en"):
            self._terminal.say("Write vi for Vietnamese or en for English.", "yellow")
        self._chosen["SHOPDESK_LANGUAGE"] = answer or present

    def _settle(
        self,
        name: str,
        ask: Callable[[], str],
        check: Callable[[], Check],
        reach: Callable[[], None] | None = None,
    ) -> None:
        """Ask for a value until it works, is kept all the same, or is skipped. `reach` asks for another way there."""
        while answer := ask():
            self._chosen[name] = answer
            while self._try(check).state == "failed":
                choice = self._choice(can_reach=reach is not None)
                if choice == "address" and reach:
                    reach()
                    continue
                if choice == "keep":
                    return
                self._chosen.pop(name)
                if choice == "skip":
                    return self._skipped(name)
                break
            else:
                return None
        return self._skipped(name)

    def _choice(self, *, can_reach: bool) -> str:
        words = ["again", *(["address"] if can_reach else []), "keep", "skip"]
        if can_reach:
            self._terminal.say("Blocked, or behind a gateway? `address` asks for another address or a proxy.", "dim")
        while True:
            answer = self._terminal.ask(f"What now: {', '.join(words)}? [again]").lower() or "again"
            for word in words:
                if word.startswith(answer):
                    return word

    def _skipped(self, name: str) -> None:
        self._terminal.say("Left as it was." if name in self._present else "Skipped.", "dim")

    def _try(self, check: Callable[[], Check]) -> CheckResult:
        with self._terminal.busy("Trying it …"):
            result = asyncio.run(check())
        mark, style = {"ok": ("✓", "green"), "failed": ("✗", "red")}.get(result.state, ("!", "yellow"))
        self._terminal.say(f"{mark} {result.state}: {result.message}", style)
        if result.fix:
            self._terminal.say(f"  → {result.fix}")
        return result

    def _secret(self, name: str, title: str) -> str:
        present = self._present.get(name, "")
        hint = f"{title} [{masked(present)}]" if present else title
        while answer := self._terminal.ask(hint, hidden=True).strip("\"'"):
            if answer.isascii() and answer.isprintable() and " " not in answer:
                self._terminal.say(f"Got {masked(answer)}.", "dim")
                return answer
            self._terminal.say("That is no token: it has spaces or other characters that no token has.", "yellow")
        return present

    def _number(self, name: str, title: str) -> str:
        present = self._present.get(name, "")
        hint = f"{title} [{present}]" if present else title
        while answer := self._terminal.ask(hint):
            if _as_id(answer):
                return answer
            self._terminal.say("That is no id: it is a number of 17 to 20 digits.", "yellow")
        return present

    def _address(self, name: str, title: str, schemes: tuple[str, ...]) -> None:
        present = self._value(name)
        hint = f"{title} [{_without_password(present)}]" if present else title
        while answer := self._terminal.ask(hint):
            scheme, _, rest = answer.partition("://")
            if scheme in schemes and rest and answer.isprintable() and " " not in answer:
                self._chosen[name] = answer
                return
            self._terminal.say(
                f"That is no address: it begins with {' or '.join(f'{s}://' for s in schemes)}.", "yellow"
            )

    def _value(self, name: str) -> str:
        """What counts at this moment: what was just typed, else what the program would read, else its default."""
        default = Settings.model_fields[name.lower()].default
        usual = default if isinstance(default, str) else ""
        return self._chosen.get(name) or self._environ.get(name) or self._present.get(name) or usual

    def _head(self, title: str, where: str) -> None:
        self._terminal.say(f"\n{title}", "bold")
        self._terminal.say(where)

    def _write(self) -> None:
        new = {name: value for name, value in self._chosen.items() if self._present.get(name) != value}
        if not new:
            self._terminal.say(f"\nNothing is new: {self._path} stays as it is.")
            return
        write_env(self._path, new)
        self._terminal.say(f"\n{self._path} is written, readable for you only: {', '.join(new)}.")
        for name in new:
            if self._environ.get(name) not in (None, "", new[name]):
                self._terminal.say(f"{name} is also set in the environment, and that counts more.", "yellow")


def masked(secret: str) -> str:
    """A secret as it may be shown: enough to tell two apart, never enough to use."""
    tail = secret[-4:] if len(secret) >= 16 else ""
    return f"…{tail}, {len(secret)} characters"


def _as_id(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{17,20}", text) else None


def _without_password(address: str) -> str:
    return re.sub(r"//[^@/]*@", "//…@", address)
