"""Logging as the command sets it up: one line a record on stderr, and no token in any of them."""

import logging
import re
from collections.abc import Iterable
from typing import TextIO
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from bot.config import read_config
from bot.errors import SettingsError
from bot.settings import Settings

# Ours speak at the level that was asked for, everybody else from WARNING up. These are named all the
# same, since they may set a level of their own: they log tokens (in a path), addresses and texts.
_TALKERS = (
    "httpx",
    "httpcore",
    "httpx2",
    "httpcore2",
    "telegram",
    "telegram.ext",
    "aiohttp.access",
    "aiosqlite",
    "anthropic",
    "discord",
    "discord.client",
    "discord.gateway",
    "discord.http",
    "uvicorn",
    "uvicorn.access",
    "uvicorn.error",
    "watchfiles",
)
_OURS = ("bot", "adapters")
# Warns at each start of a client that asks for few intents, which a check does on purpose.
_CRIES_WOLF = ("discord.state",)
_HIDDEN = "[hidden]"
# Telegram's, Discord's and the model providers' tokens, for one that is not among the settings.
_LOOKS_LIKE_A_TOKEN = re.compile(
    r"\d{6,12}:[A-Za-z0-9_-]{30,}|[A-Za-z0-9_-]{22,30}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{25,}|sk-[A-Za-z0-9_-]{16,}"
)
_SHORTEST_SECRET = 4
_SHORTEST_SECRET_HEADER = 16
"""A header may hold a key; shorter ones are words, which logs are full of."""


class OneLine(logging.Formatter):
    """Formats a record as one line; the lines of a traceback follow it, indented.

    Whatever is secret is hidden in the finished text, and so in arguments, tracebacks and stack traces too.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%Y-%m-%d %H:%M:%S")
        spelt = {form for secret in secrets for form in (secret, quote(secret, safe=""), repr(secret)[1:-1])}
        longest_first = sorted((form for form in spelt if len(form) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._secret = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _escaped(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).replace("\n", "\n    ")
        if self._secret:
            text = self._secret.sub(_HIDDEN, text)
        return _LOOKS_LIKE_A_TOKEN.sub(_HIDDEN, text)


def set_up_logging(level: str, *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send every record to `stream` (stderr). `level` is a name of `Settings.shopdesk_log_level`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine(secrets))
    wanted = logging.getLevelNamesMapping()[level.upper()]
    others = max(wanted, logging.WARNING)
    logging.basicConfig(level=others, handlers=[handler], force=True)
    for name in _TALKERS:
        logging.getLogger(name).setLevel(others)
    for name in _CRIES_WOLF:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in _OURS:
        logging.getLogger(name).setLevel(wanted)
    logging.captureWarnings(True)


def secrets_of(settings: Settings) -> frozenset[str]:
    """Every secret among the settings and in what `shopdesk.toml` names, and the password inside an address."""
    found: set[str] = set()
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        for secret in value if isinstance(value, tuple) else (value,):
            if isinstance(secret, SecretStr):
                found.add(secret.get_secret_value())
            if isinstance(secret, SecretStr | str) and (password := _password(secret)):
                found.add(password)
    try:
        config = read_config(settings.config_file)
    except SettingsError:  # who needs the file says so
        return frozenset(found)
    for provider in config.providers.values():
        keys = settings.keys_in(provider.keys_env) if provider.keys_env else ()
        found.update(key.get_secret_value() for key in keys)
        found.update(value for value in provider.headers.values() if len(value) >= _SHORTEST_SECRET_HEADER)
        if provider.base_url and (password := _password(provider.base_url)):
            found.add(password)
    return frozenset(found)


def _password(address: SecretStr | str) -> str | None:
    try:
        return urlsplit(address if isinstance(address, str) else address.get_secret_value()).password
    except ValueError:
        return None


def _escaped(line: str) -> str:
    """Control characters made visible, so that a text from outside cannot begin a line of its own."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in line)
