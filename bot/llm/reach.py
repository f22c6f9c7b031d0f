"""What an operator is told of a model that was tried once: what is wrong, and what to do about it."""

import asyncio
import difflib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from bot.checks import CheckResult
from bot.errors import ModelError, ModelRefused, ModelRejected, ModelUnavailable
from bot.llm.base import ChatModel, Finished, ModelMessage, ModelRequest, TextDelta
from bot.llm.endpoint import Endpoint, shown
from bot.llm.refusals import TRANSPORT_ERRORS, is_unknown_model
from bot.llm.wire import Refusal

_LATER = "Try again in a minute, and look at the provider's status page; with a gateway, look at its logs."
_CUT = "Try again; if it stays so, look for a proxy in between that cuts or alters streams."
_LISTED_WITHIN = 5.0


class NoWords(ModelUnavailable):
    """The answer ended without a word: its tokens were not enough, or all went into thoughts."""


class ListingModel(ChatModel, Protocol):
    """A model whose endpoint can be asked which others it has."""

    async def models(self) -> list[str]:
        """The names of the models that the endpoint lists. Raises `ModelError`."""
        ...


async def try_model(
    model: ListingModel,
    endpoint: Endpoint,
    *,
    name: str,
    key: str = "",
    known_models: Sequence[str] = (),
    tokens: int = 1,
    timeout: float = 20.0,
    clock: Callable[[], float] = time.monotonic,
) -> CheckResult:
    """Stream an answer of a few tokens. Never raises; the result holds no key.

    `name` is what the result is called, `key` the label of the key; `known_models` are suggested when the endpoint
    lists none.
    """
    try:
        async with asyncio.timeout(timeout):
            started = clock()
            first, answered_by = await _first_text(model, tokens, clock)
    except TimeoutError:
        message = f"{shown(endpoint.base_url)} did not answer in {timeout:g} s."
        return CheckResult(name, "failed", message, _network(endpoint))
    except ModelError as exc:
        return await _explain(name, model, endpoint, known_models, exc)
    milliseconds = round((first - started) * 1000)
    return CheckResult(
        name,
        "ok",
        f"answers; first text after {milliseconds} ms",
        data={
            "first_text_ms": milliseconds,
            "model": answered_by,
            "base_url": shown(endpoint.base_url),
            "key": key,
        },
    )


async def try_listing(
    model: ListingModel, endpoint: Endpoint, *, name: str, key: str = "", timeout: float = 20.0
) -> CheckResult:
    """Ask an endpoint, of which no model is in use, for its models only. Never raises."""
    try:
        async with asyncio.timeout(timeout):
            names = await model.models()
    except TimeoutError:
        message = f"{shown(endpoint.base_url)} did not answer in {timeout:g} s."
        return CheckResult(name, "failed", message, _network(endpoint))
    except ModelError as exc:
        return await _explain(name, model, endpoint, (), exc)
    data: dict[str, str | int] = {"models": len(names), "base_url": shown(endpoint.base_url), "key": key}
    return CheckResult(name, "ok", f"answers; {len(names)} models, none of them in use", data=data)


def unusable(name: str, exc: Exception) -> CheckResult:
    """The result for settings of which no model can be made."""
    message, _, fix = str(exc).partition(": ")
    return CheckResult(name, "failed", f"{message}.", f"{fix[:1].upper()}{fix[1:]}")


async def _first_text(model: ChatModel, tokens: int, clock: Callable[[], float]) -> tuple[float, str]:
    first, answered_by = None, ""
    probe = ModelRequest(system="", messages=(ModelMessage("user", "Hi"),), max_tokens=tokens)
    async with aclosing(model.stream(probe)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                first = clock() if first is None else first
            elif isinstance(event, Finished):
                answered_by = event.model
    return (clock() if first is None else first), answered_by


async def _explain(
    name: str, model: ListingModel, endpoint: Endpoint, known_models: Sequence[str], exc: ModelError
) -> CheckResult:
    cause, place = exc.__cause__, shown(endpoint.base_url)
    if isinstance(exc, ModelRefused):
        return CheckResult(name, "ok", "answers (it declined the test question)")
    if isinstance(exc, NoWords):
        return CheckResult(name, "ok", "answers (its few test tokens held no word yet)")
    if isinstance(cause, Refusal):
        if is_unknown_model(cause):
            return await _unknown_model(name, model, place, known_models)
        if cause.status == 401 and endpoint.key_setting:
            fix = (
                f"Copy the key again from the console of your provider into {endpoint.key_setting}; it may be revoked."
            )
            return CheckResult(name, "failed", f"{place} refuses the key (401).", fix)
        if cause.status in (408, 409, 425, 429) or cause.status >= 500:
            return CheckResult(name, "warning", f"{str(exc).rstrip('.')}.", _LATER)
    elif proxy := _why_no_proxy(cause):
        host = urlsplit(place).netloc or place
        return CheckResult(name, "failed", f"{host} cannot be reached: {proxy[0]}.", proxy[1])
    elif reason := _why_unreachable(cause):
        host = urlsplit(place).netloc or place
        return CheckResult(name, "failed", f"{host} cannot be reached: {reason}.", _network(endpoint))
    message, _, fix = str(exc).partition(": check ")
    if not fix:
        return CheckResult(name, "failed", str(exc), "" if isinstance(exc, ModelRejected) else _CUT)
    return CheckResult(name, "failed", f"{message}.", f"Check {fix}")


async def _unknown_model(name: str, model: ListingModel, place: str, known_models: Sequence[str]) -> CheckResult:
    """Names like this one, out of those that the endpoint lists, else out of those that are known."""
    provider, _, asked = model.name.partition(":")
    names: Sequence[str] = ()
    try:
        async with asyncio.timeout(_LISTED_WITHIN):
            names = await model.models()
    except (ModelError, TimeoutError):
        names = known_models
    names = names or known_models
    found = difflib.get_close_matches(asked, names, n=3, cutoff=0.5) or list(names[:3])
    message = f"There is no model {asked} at {place}."
    if not found:
        return CheckResult(name, "failed", message, "Ask its provider for the names of its models.")
    nearest, *others = found
    fix = f"Set SHOPDESK_MODEL={provider}:{nearest}" + (f" (or {', '.join(others)})." if others else ".")
    return CheckResult(name, "failed", message, fix)


def _network(endpoint: Endpoint) -> str:
    return (
        "Check the internet connection and the firewall of this machine; behind a proxy, set HTTPS_PROXY; "
        f"with a gateway, check {endpoint.url_setting}."
    )


def _why_no_proxy(cause: BaseException | None) -> tuple[str, str] | None:
    """What is wrong with the proxy in between, which the environment names, and the fix; None: it is not that."""
    for exc in _chain(cause):
        if isinstance(exc, aiohttp.ClientProxyConnectionError):
            words = f"nothing answers at the proxy {exc.host}:{exc.port} that HTTPS_PROXY (or ALL_PROXY) names"
            return words, "Start the proxy or correct the variable; NO_PROXY names hosts that need none."
        if isinstance(exc, aiohttp.ClientHttpProxyError):
            if exc.status == 407:
                return "the proxy in between wants a login (407)", "Set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT."
            words = f"the proxy in between refuses to connect (status {exc.status})"
            return words, "Ask whoever runs the proxy to let this host through, or set another HTTPS_PROXY."
    return None


def _why_unreachable(cause: BaseException | None) -> str:
    """What the operating system says behind an error of the connection; empty when there is no such error."""
    reasons = list(_chain(cause))
    for exc in reasons:
        if isinstance(exc, ssl.SSLCertVerificationError):
            return "its certificate is not accepted (is a proxy in between?)"
        if isinstance(exc, ssl.SSLError):
            return "it does not speak TLS (is it http instead of https?)"
        if isinstance(exc, socket.gaierror):
            return "its name is not found"
        if isinstance(exc, ConnectionRefusedError):
            return "nothing listens there"
        if isinstance(exc, TimeoutError):
            return "it does not answer in time"
    return "the connection broke off" if reasons and isinstance(reasons[0], TRANSPORT_ERRORS) else ""


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__
