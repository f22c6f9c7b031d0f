"""`shopdesk.toml`, read once: what does not fit in a variable, such as several providers, prices and budgets."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.errors import SettingsError
from bot.spans import span_of

MAX_BYTES = 256 * 1024
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_BUILT_IN = ("anthropic", "openai", "offline")


def _is_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        complete = False
    if not complete:
        raise ValueError("must be an address that begins with http:// or https://")
    return value.rstrip("/")


def _is_model(value: str) -> str:
    name, _, model = value.partition(":")
    if value != "offline" and not (name and model):
        raise ValueError(f"{value!r} must be PROVIDER:MODEL, for example anthropic:claude-haiku-5-5, or offline")
    return value


def _is_header(value: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", value):
        raise ValueError(f"{value!r} is no name of a header")
    return value


def _is_header_value(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("must be printable ASCII")
    return value


def _is_span(value: str) -> str:
    span_of(value)
    return value


Url = Annotated[str, AfterValidator(_is_url)]
ModelName = Annotated[str, AfterValidator(_is_model)]
Header = Annotated[str, AfterValidator(_is_header)]
HeaderValue = Annotated[str, AfterValidator(_is_header_value)]
Span = Annotated[str, AfterValidator(_is_span)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0, le=10**12)]
Dollars = Annotated[Decimal, Field(ge=0, le=10**6, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Answering(_Table):
    """`[model]`: which models answer, in order, and how long they may take. Times are in seconds."""

    use: ModelName | None = None
    """SHOPDESK_MODEL counts more."""
    fallbacks: tuple[ModelName, ...] = ()
    """Asked in this order when it does not answer; behind them the policies are quoted word for word."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    thinking: Literal["disabled", "between_tools", "adaptive"] | None = None
    """None: what brings the first word soonest with this model; likewise `effort`."""
    first_text: Seconds = 8.0
    """So long a turn may try again before the next model is asked."""
    first_event: Seconds = 15.0
    """A stream that has brought nothing for so long has failed."""
    silence: Seconds = 20.0
    """Likewise without a word of text, once there was one; pings do not count."""
    turn: Seconds = 180.0
    """No stream runs longer."""
    streams: Count = 500
    """So many answers are streamed at the same time; the others wait."""


class KeyLimits(_Table):
    """`[providers.NAME.limits]`: what one key may do, below what its provider allows."""

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    tokens_per_day: Count | None = None


class Provider(_Table):
    """`[providers.NAME]`: an endpoint, so that `NAME:MODEL` names a model of it."""

    kind: Literal["anthropic", "openai"]
    base_url: Url | None = None
    """None: the provider's own address."""
    keys_env: Annotated[str, Field(pattern=_VARIABLE)] | None = None
    """The variable that holds its keys, separated by commas; None: it wants none."""
    auth: Literal["bearer", "x-api-key"] | None = None
    """How the key is sent; None: as this kind does today."""
    timeout: Seconds = 5.0
    """To connect."""
    headers: Mapping[Header, HeaderValue] = Field(default_factory=dict)
    conversation_header: Header | None = None
    """A header that gets an id of the conversation, so that a gateway can keep it with one machine."""
    streams: Count | None = None
    """So many answers at the same time; None: no limit of its own."""
    limits: KeyLimits = KeyLimits()


class Price(_Table):
    """`[prices."MODEL"]`: dollars for a million tokens of each kind. `above`: a request with more input tokens than
    this costs `factor` times as much."""

    input: Dollars
    output: Dollars
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None
    """None: as much as `input`; likewise `cache_read`."""
    above: Count | None = None
    factor: Annotated[Decimal, Field(gt=0, le=1000)] = Decimal(1)


class Money(_Table):
    """`[money]`"""

    dong_per_dollar: Annotated[Decimal, Field(gt=0, le=10**7)] = Decimal(26_000)


class Budgets(_Table):
    """`[budgets]`: a day's, in the shop's time zone; None: no limit. Who is over gets a sentence and a person."""

    customer_dollars: Dollars | None = None
    customer_tokens: Count | None = None
    shop_dollars: Dollars | None = None
    shop_tokens: Count | None = None


class Margins(_Table):
    """`[canary.margins]`: how much worse the canary may be before it is rolled back."""

    errors: Share = 0.05
    """Points of the share of turns that failed or fell back; likewise the next two."""
    handoffs: Share = 0.10
    thumbs_down: Share = 0.10
    first_text: Annotated[float, Field(ge=1, le=100)] = 1.5
    """Times as long to the first text (p95)."""
    turns: Count = 30
    """So many turns each side must have before they are compared."""


class Canary(_Table):
    """`[canary]`: the defaults of `shopdesk canary start`."""

    stages: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(min_length=1)] = (10, 30, 50, 100)
    """Percent of the customers, rising."""
    stage_time: Span | None = "1h"
    """How long a stage lasts; None: `shopdesk canary promote` goes on."""
    margins: Margins = Margins()

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if list(self.stages) != sorted(set(self.stages)):
            raise ValueError("stages must rise, for example [10, 30, 50, 100]")
        return self


class Config(_Table):
    """The whole file; all of it is optional."""

    model: Answering = Answering()
    providers: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], Provider] = Field(
        default_factory=dict
    )
    prices: Mapping[str, Price] = Field(default_factory=dict)
    money: Money = Money()
    budgets: Budgets = Budgets()
    canary: Canary = Canary()

    @model_validator(mode="after")
    def _names_hold_together(self) -> Self:
        for name in self.providers:
            if name == "offline":
                raise ValueError("providers.offline cannot be defined: offline is the model that needs none")
        known = {*_BUILT_IN, *self.providers}
        for model in (self.model.use, *self.model.fallbacks):
            if model is not None and (name := model.partition(":")[0]) not in known:
                raise ValueError(f"model names the provider {name!r}, which is not there{_nearest(name, known)}")
        return self


def read_config(path: Path | None) -> Config:
    """What the file says; without one (None), what holds by default. Raises `SettingsError`: one sentence a line."""
    if path is None:
        return Config()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(f"There is no {path}: SHOPDESK_CONFIG names a file that does not exist.") from None
    except OSError as exc:
        raise SettingsError(f"{path} cannot be read: {exc.strerror or exc}.") from None
    if len(data) > MAX_BYTES:
        raise SettingsError(f"{path} is larger than {MAX_BYTES // 1024} KiB: that is no file of settings.")
    try:
        return Config.model_validate(tomllib.loads(data.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text: save it as UTF-8.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise SettingsError(f"{path} is no TOML: {exc}.") from None
    except ValidationError as exc:
        raise SettingsError("\n".join(_sentences(path, exc))) from None


def _sentences(path: Path, exc: ValidationError) -> Iterator[str]:
    for error in exc.errors():
        place = ".".join(str(part) for part in error["loc"] if part != "[key]")
        if error["type"] == "extra_forbidden":
            known = _fields(error["loc"][:-1])
            yield f"{path}: {place} is not known{_nearest(str(error['loc'][-1]), known)}"
        elif error["type"] == "missing":
            yield f"{path}: {place} is missing."
        else:
            reason = str(error["msg"]).removeprefix("Value error, ")
            where = f"{place} is wrong: " if place else ""
            end = "" if reason.endswith(("?", ".")) else "."
            yield f"{path}: {where}{reason[:1].lower() if place else reason[:1]}{reason[1:]}{end}"


def _fields(place: tuple[Any, ...]) -> list[str]:
    """The keys that a table knows."""
    table: Any = Config
    for part in place:
        # What is no table is a mapping of tables.
        table = table.model_fields[part].annotation if _is_table(table) else get_args(table)[1]
    return sorted(table.model_fields) if _is_table(table) else []


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _nearest(name: str, known: Any) -> str:
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    if found:
        return f"; did you mean {found[0]}?"
    return f": known here are {', '.join(sorted(known))}." if known else "."
