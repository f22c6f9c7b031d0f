"""The settings, read once from the environment and `.env`; a wrong one is a sentence, never a traceback."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from bot.errors import SettingsError
from bot.links import is_host
from bot.spans import span_of

DEFAULT_MODEL = "anthropic:claude-haiku-5-5"
CONFIG_FILE = Path("shopdesk.toml")
"""In the working directory, unless SHOPDESK_CONFIG names another."""
# Up to four signs, none of which makes a list, a link, an address or any other markup of what is before it.
_MARK = r"[^\s\w!#$%&'()*+,\-/:;<=>?@\[\\\]^`{|}~\"\x00-\x1f\x7f\ud800-\udfff]{0,4}"

_TOKEN = r"[A-Za-z0-9_-]{16,256}"
_SHORTEST_STALE = timedelta(minutes=10)
_SHORTEST_QUIET = timedelta(minutes=5)


def _keys(value: object) -> object:
    if isinstance(value, str):
        return tuple(SecretStr(key.strip()) for key in value.split(",") if key.strip())
    return value


def _names(value: object) -> object:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_keys)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]


class Settings(BaseSettings):
    """Every field is the variable of the same name in capitals; an empty variable counts as unset."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    telegram_bot_token: SecretStr | None = None
    telegram_api_url: str = "https://api.telegram.org"
    telegram_proxy_url: SecretStr | None = None
    telegram_webhook_url: str | None = None
    telegram_webhook_secret: SecretStr | None = None
    telegram_calls_per_second: float = Field(default=30.0, gt=0, le=1000)
    telegram_stream: Literal["edit", "draft"] = "edit"

    discord_bot_token: SecretStr | None = None
    discord_api_url: str | None = None
    discord_gateway_url: str | None = None
    discord_tickets_channel_id: int | None = Field(default=None, gt=0)
    discord_alerts_channel_id: int | None = Field(default=None, gt=0)
    discord_staff_role_id: int | None = Field(default=None, gt=0)

    anthropic_api_key: Keys = ()
    anthropic_base_url: str = "https://api.anthropic.com"
    openai_api_key: Keys = ()
    openai_base_url: str = "https://api.openai.com/v1"

    shopdesk_config: Path | None = None
    shopdesk_model: str | None = None
    shopdesk_data: Path = Path("data")
    shopdesk_backup_keep: int = Field(default=7, ge=0, le=1000)
    shopdesk_prompts: Path = Path("prompts")
    shopdesk_policies: Literal["auto", "manual"] = "auto"
    shopdesk_section_tokens: int = Field(default=20_000, ge=0, le=500_000)
    shopdesk_web: str = "127.0.0.1:8080"
    shopdesk_metrics_token: SecretStr | None = None
    shopdesk_language: Literal["vi", "en"] = "vi"
    shopdesk_link_hosts: Names = ()
    shopdesk_timezone: str = "Asia/Ho_Chi_Minh"
    shopdesk_growing_mark: str = ""
    shopdesk_stale: Literal["answer", "person"] = "answer"
    shopdesk_stale_after: str = "6h"
    shopdesk_staff_replies: Literal["all", "command"] = "all"
    shopdesk_staff_name: Literal["name", "shop", "role"] = "name"
    shopdesk_desk_quiet: str = "24h"
    shopdesk_burst_wait: float = Field(default=0.7, ge=0, le=10, allow_inf_nan=False)
    shopdesk_log_level: Literal["debug", "info", "warning", "error"] = "info"

    failpoint: str | None = None
    """For tests: the step at which the program kills itself, see `bot.failpoints`."""

    _variables: Mapping[str, str] = PrivateAttr(default_factory=dict)
    """All others, in which `shopdesk.toml` may say that keys are."""

    @model_validator(mode="before")
    @classmethod
    def _strip(cls, data: dict[str, Any]) -> dict[str, Any]:
        """White space around a value never means anything, and a value of white space only is none."""
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in data.items()}
        return {name: value for name, value in stripped.items() if value != ""}

    @field_validator(
        "telegram_api_url", "telegram_webhook_url", "discord_api_url", "anthropic_base_url", "openai_base_url"
    )
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return _url(value, "http", "https").rstrip("/") if value else value

    @field_validator("discord_gateway_url")
    @classmethod
    def _is_gateway(cls, value: str | None) -> str | None:
        return _url(value, "ws", "wss") if value else value

    @field_validator("telegram_proxy_url")
    @classmethod
    def _is_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            _url(value.get_secret_value(), "http", "https", "socks5", "socks5h")
        return value

    @field_validator("shopdesk_metrics_token")
    @classmethod
    def _is_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(_TOKEN, value.get_secret_value()):
            raise ValueError("must be a secret of your own: 16 to 256 characters of A-Z a-z 0-9 _ -")
        return value

    @field_validator("shopdesk_timezone")
    @classmethod
    def _is_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # unknown; no name at all; the name of a folder of zones
            raise ValueError("must be the name of a time zone, for example Asia/Ho_Chi_Minh") from None
        return value

    @field_validator("shopdesk_growing_mark")
    @classmethod
    def _is_mark(cls, value: str) -> str:
        if not re.fullmatch(_MARK, value):
            raise ValueError("must be a sign or two that mean nothing in Markdown, for example ▌ or …")
        return value

    @field_validator("shopdesk_stale_after")
    @classmethod
    def _is_span(cls, value: str) -> str:
        if span_of(value) < _SHORTEST_STALE:
            raise ValueError("must be 10m or more: clocks differ")
        return value

    @field_validator("shopdesk_desk_quiet")
    @classmethod
    def _is_quiet(cls, value: str) -> str:
        if span_of(value) < _SHORTEST_QUIET:
            raise ValueError("must be 5m or more: people think before they answer")
        return value

    @field_validator("shopdesk_link_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(is_host, value)):
            raise ValueError("must be names of hosts separated by commas, for example shop.example,example.com")
        return value

    @field_validator("shopdesk_model")
    @classmethod
    def _is_model(cls, value: str | None) -> str | None:
        if value is not None and value != "offline" and not re.fullmatch(r"[a-z][a-z0-9_-]*:\S+", value):
            raise ValueError(f"must be PROVIDER:MODEL or offline, for example {DEFAULT_MODEL}")
        return value

    @field_validator("shopdesk_web")
    @classmethod
    def _is_host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value != "off" and not (host and port.isdecimal() and 0 <= int(port) <= 65535):
            raise ValueError("must be HOST:PORT, for example 127.0.0.1:8080, or off")
        return value

    @property
    def model(self) -> str:
        """The model that answers: the one that was named, else Claude if there is a key, else offline."""
        return self.shopdesk_model or (DEFAULT_MODEL if self.anthropic_api_key else "offline")

    @property
    def config_file(self) -> Path | None:
        """The file that holds what does not fit in a variable; None: there is none."""
        return self.shopdesk_config or (CONFIG_FILE if CONFIG_FILE.is_file() else None)

    def keys_in(self, variable: str) -> tuple[SecretStr, ...]:
        """The keys in a variable of any name, separated by commas."""
        if (own := getattr(self, variable.lower(), None)) and isinstance(own, tuple):
            return own
        return tuple(SecretStr(key.strip()) for key in self._variables.get(variable, "").split(",") if key.strip())

    @property
    def stale_after(self) -> timedelta:
        """How long a message may wait before its writer is asked to excuse that."""
        return span_of(self.shopdesk_stale_after)

    @property
    def desk_quiet(self) -> timedelta:
        """After so long without a word, a case that somebody has taken goes back to the bot."""
        return span_of(self.shopdesk_desk_quiet)

    @property
    def database(self) -> Path:
        """The one file that remembers everything."""
        return self.shopdesk_data / "shopdesk.db"

    @property
    def web_address(self) -> tuple[str, int] | None:
        """Host and port of the web server, or None when it is off."""
        if self.shopdesk_web == "off":
            return None
        host, _, port = self.shopdesk_web.rpartition(":")
        return host.strip("[]"), int(port)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings


def read_settings(env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:
    """The settings from the environment, then from `env_file`. Raises `SettingsError`: one sentence a line."""
    try:
        settings = Settings(_env_file=env_file, **overrides)
        in_file = dotenv_values(env_file) if env_file is not None and env_file.is_file() else {}
        settings._variables = {name: value for name, value in in_file.items() if value} | dict(os.environ)
        return settings
    except ValidationError as exc:
        raise SettingsError("\n".join(_sentence(dict(error)) for error in exc.errors())) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{env_file} is not UTF-8 text: save it as UTF-8.") from None
    except OSError as exc:
        raise SettingsError(f"{env_file} cannot be read: {exc.strerror or exc}.") from None


def _url(value: str, *schemes: str) -> str:
    try:
        parts = urlsplit(value)
        complete = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not match
        complete = False
    if not complete:
        *others, last = (f"{scheme}://" for scheme in schemes)
        raise ValueError(f"must be an address that begins with {', '.join(others)} or {last}")
    return value


def _sentence(error: Mapping[str, Any]) -> str:
    name = str(error["loc"][0]).upper() if error["loc"] else "A setting"
    reason = str(error["msg"]).removeprefix("Value error, ")
    return f"{name} is wrong: {reason[:1].lower()}{reason[1:]}. Set it in the environment or in .env."
