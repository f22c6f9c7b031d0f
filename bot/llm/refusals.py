"""What endpoints answer instead of a model's words, in the errors that a caller can act on."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.errors import KeyRefused, ModelError, ModelRejected, ModelUnavailable
from bot.llm.endpoint import Endpoint, shown
from bot.llm.wire import Refusal
from bot.text import one_line

TRANSPORT_ERRORS = (aiohttp.ClientError, OSError)
"""Raised on the way to an endpoint and while its stream is read."""
NO_CREDIT = 900.0
"""Seconds for which a key rests that has no credit, or no permission: an operator must act first."""

# `error` events and errors inside a stream have a type where others have a status.
_STATUS_OF = {
    "invalid_request_error": 400, "authentication_error": 401, "invalid_api_key": 401, "billing_error": 402,
    "insufficient_quota": 402, "permission_error": 403, "not_found_error": 404, "model_not_found": 404,
    "request_too_large": 413, "context_length_exceeded": 400, "rate_limit_error": 429, "rate_limit_exceeded": 429,
    "tokens": 429, "requests": 429,
}  # fmt: skip
_BROKE_OFF = 500
_NO_CREDIT = re.compile(
    r"credit balance is too low|specified (api|workspace) usage limits|exceeded your current quota|insufficient[ _]"
    r"(quota|balance|credits?|funds)|over[ _]quota|quota[ _]exceeded",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model[ _]not[ _]found|not a valid model|(unknown|invalid|no such) model|"
    r"model\b.{0,120}?\b(not|n't) (exist|found)",
    re.IGNORECASE,
)
_ADVICE = {400: "The request was refused", 413: "The request is too large: shorten the policies or the pictures"}
_PART_OF_KEY = re.compile(r"\bsk-[^\s'\"),]*|[^\s'\"(]*\*{3,}[^\s'\"),]*")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an endpoint says is wrong, in whatever form it says so."""

    message: str = ""
    kind: str = ""
    code: str = ""
    field: str = ""

    @property
    def status(self) -> int:
        """The status that it would have as a response; 500 when nothing tells."""
        if self.code.isdecimal() and 400 <= int(self.code) < 600:
            return int(self.code)
        return next((_STATUS_OF[name] for name in (self.code, self.kind) if name in _STATUS_OF), _BROKE_OFF)


def complaint_of(said: Any) -> Complaint:
    """`{"error": {"message", "type", "code", "param"}}` and the other forms in use."""
    if isinstance(said, list) and said:
        said = said[0]
    if not isinstance(said, dict):
        return Complaint("" if not isinstance(said, str) or said[:1] == "<" else said)
    error = said.get("error", said)
    if not isinstance(error, dict):
        return Complaint(_text(error))
    message = next((error[name] for name in ("message", "detail", "msg") if error.get(name)), "")
    fields = (_text(error.get(name)) for name in ("type", "code", "param"))
    return Complaint(_text(message), *fields)


def translate(exc: Exception, endpoint: Endpoint, model: str, keys: Collection[str] = ()) -> ModelError:
    """The error that the caller gets for a `Refusal` or one of `TRANSPORT_ERRORS`.

    `keys` never appear in its text, even where the endpoint repeats them.
    """
    place = shown(endpoint.base_url)
    if isinstance(exc, Refusal):
        return _of_refusal(exc, endpoint, model, keys)
    if isinstance(exc, TimeoutError):
        return ModelUnavailable(f"No answer in time from {place}.")
    return ModelUnavailable(f"The connection to {place} failed ({type(exc).__name__}).")


def error_in_stream(error: Mapping[str, Any], keys: Collection[str] = ()) -> ModelError:
    """The error for an `error` inside a stream: the status of its response is 200, so only what it says counts."""
    complaint = complaint_of(error)
    name = complaint.kind or complaint.code or "error"
    said = f"({without(one_line(name), keys)}): {without(one_line(complaint.message, _LONGEST), keys)}"
    status = complaint.status
    if status == 402 or _NO_CREDIT.search(complaint.message):
        return KeyRefused(f"The key has no credit {said}", retry_after=NO_CREDIT)
    if status == 401:
        return KeyRefused(f"The key was refused {said}", for_good=True)
    if status == 403:
        return KeyRefused(f"The key may not do this {said}", retry_after=NO_CREDIT)
    if status == 429:
        return KeyRefused(f"The key is asked too often {said}")
    if status in (400, 413, 422):
        return ModelRejected(f"The model refuses the request {said}")
    return ModelUnavailable(f"The model broke off {said}", again=status != 404)


def not_an_api(endpoint: Endpoint, what: str) -> ModelUnavailable:
    """The address answers, but not as the API of its kind."""
    return ModelUnavailable(
        f"{shown(endpoint.base_url)} answers with {what} instead of its API: check {endpoint.url_setting}, "
        "and whether a proxy or a sign-in page answers in its place.",
        again=False,
    )


def is_unknown_model(refusal: Refusal) -> bool:
    """Whether a refusal means the model, not the address: `model: NAME`, "The model `NAME` does not exist" …"""
    complaint = complaint_of(refusal.said)
    if refusal.status == 404 and not refusal.is_html:
        return "model" in complaint.message.lower() or complaint.code == "model_not_found"
    return refusal.status == 400 and bool(_NO_MODEL.search(f"{complaint.code} {complaint.message}"))


def without(text: str, keys: Collection[str]) -> str:
    """A text in which no key shows, and no part of one: some endpoints repeat its beginning and its end."""
    for key in keys:
        text = text.replace(key, "***") if key else text
    return _PART_OF_KEY.sub("***", text)


def _of_refusal(refusal: Refusal, endpoint: Endpoint, model: str, keys: Collection[str]) -> ModelError:
    status, wait = refusal.status, refusal.retry_after
    message = complaint_of(refusal.said).message
    said = without(one_line(message, _LONGEST), keys)
    if status in (408, 409, 425) or status >= 500:
        return ModelUnavailable(f"The model answers {status}{': ' if said else ''}{said}", retry_after=wait)
    if refusal.is_html and status != 429:
        return not_an_api(endpoint, f"a web page (status {status})")
    if is_unknown_model(refusal):
        where = f"{model} at {shown(endpoint.base_url)}"
        return ModelUnavailable(f"There is no such model: check SHOPDESK_MODEL ({where})", again=False)
    if status < 400 or status in (404, 405):
        return not_an_api(endpoint, f"status {status}")
    if refused := _of_key(refusal, endpoint, message):
        text, retry_after = refused
        ending = f" ({said})." if said else "."
        return KeyRefused(f"{text}{ending}", retry_after=retry_after, for_good=status == 401)
    advice = _ADVICE.get(status, f"The request was refused with status {status}")
    return ModelRejected(f"{advice} ({said})." if said else f"{advice}.")


def _of_key(refusal: Refusal, endpoint: Endpoint, message: str) -> tuple[str, float | None] | None:
    """What is wrong with the key, and for how many seconds it rests; None: it is not the key."""
    status, wait = refusal.status, refusal.retry_after
    complaint = complaint_of(refusal.said)
    has_no_credit = complaint.status == 402 or _NO_CREDIT.search(message)
    if status == 402 or (status in (400, 403, 429) and has_no_credit):
        return "The account has no credit: check its billing", max(wait or 0.0, NO_CREDIT)
    if status == 401 and not endpoint.key_setting:
        return f"{shown(endpoint.base_url)} wants a key: name its variable as keys_env of {endpoint.name}", None
    if status == 401:
        return f"The key was refused: check {endpoint.key_setting}", None
    if status == 403:
        words = "The key may not do this: check its permissions, and whether this network is allowed"
        return words, max(wait or 0.0, NO_CREDIT)
    return (f"The model answers {status}: too many requests for this key", wait) if status == 429 else None


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""
