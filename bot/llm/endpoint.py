"""Where models are reached, and what the settings of it are called for whoever must change one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from bot.errors import SettingsError

Auth = Literal["bearer", "x-api-key"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a provider. Its keys are no part of it."""

    name: str
    """That of the provider: `NAME:MODEL` is a model of it."""
    base_url: str
    key_setting: str = ""
    """The variable that holds its keys; empty: it wants none."""
    url_setting: str = ""
    """The variable, or the place in a file, that holds the address."""
    auth: Auth | None = None
    """None: as this kind of provider does today."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    conversation_header: str | None = None
    connect_timeout: float = 5.0
    """Seconds."""

    def check_key(self, key: str) -> str:
        """The key. Raises `SettingsError` for one that cannot be sent in a header, or where one is missing."""
        if not key and self.key_setting:
            raise SettingsError(f"{self.key_setting} is empty: set it, or set SHOPDESK_MODEL=offline.")
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise SettingsError(f"{self.key_setting} holds characters that no key has: copy it again.")
        return key

    def headers_for(self, conversation: str) -> dict[str, str]:
        """The header that tells the conversation, where one is wanted."""
        if self.conversation_header is None or not (conversation.isascii() and conversation.isprintable()):
            return {}
        return {self.conversation_header: conversation} if conversation else {}


def shown(url: str) -> str:
    """An address for messages and logs: a user and password in it are left out."""
    parts = urlsplit(url.strip().rstrip("/"))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
