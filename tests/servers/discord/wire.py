"""What comes in and goes out over HTTP on the loopback Discord: bodies, uploaded files, path and query values."""

import json
import re
from dataclasses import dataclass
from typing import Any

from aiohttp import BodyPartReader, web

from tests.servers.discord.state import ApiError, invalid_form
from tests.servers.discord.world import Payload

MAX_FILE = 10 * 1024 * 1024
MAX_REQUEST = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a multipart request."""

    name: str
    data: bytes


Uploads = dict[int, Upload]
"""By the number n of its field `files[n]`."""

BODY: web.RequestKey[Any] = web.RequestKey("body", object)
FILES: web.RequestKey[Uploads] = web.RequestKey("files", dict)


def reply(data: Any, status: int = 200) -> web.Response:
    """JSON with the content type that Discord sends, to the letter: the library compares it as a string."""
    return web.Response(body=json.dumps(data).encode(), status=status, content_type="application/json")


def no_content() -> web.Response:
    return web.Response(status=204)


def fields(request: web.Request) -> Payload:
    """The body, which must be an object."""
    body = request[BODY]
    if not isinstance(body, dict):
        wrong = {"code": "MODEL_TYPE_CONVERT", "message": "Only dictionaries may be used in a ModelType"}
        raise ApiError(400, 50035, "Invalid Form Body", {"_errors": [wrong]})
    return body


def number(request: web.Request, name: str) -> int:
    return snowflake(request.match_info[name], name)


def snowflake(value: Any, name: str) -> int:
    if not str(value).isdecimal():
        raise invalid_form(name, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
    return int(value)


def text_of(body: Payload, name: str, longest: int, *, shortest: int = 1, where: str = "") -> str:
    """A text field with a length, or a refusal that names it."""
    value = body.get(name)
    path = f"{where}.{name}" if where else name
    if value is None:
        raise invalid_form(path, "BASE_TYPE_REQUIRED", "This field is required")
    if not isinstance(value, str):
        raise invalid_form(path, "STRING_TYPE_CONVERT", "Could not interpret value as string.")
    if not shortest <= len(value.strip()) or len(value) > longest:
        raise invalid_form(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {shortest} and {longest} in length.")
    return value


def limit_of(request: web.Request, *, default: int, highest: int = 100) -> int:
    text = request.query.get("limit", str(default))
    if not text.isdecimal() or not 1 <= int(text) <= highest:
        raise invalid_form("limit", "NUMBER_TYPE_MAX", f"int value should be between 1 and {highest}.")
    return int(text)


async def read(request: web.Request) -> tuple[Any, Uploads]:
    """The JSON of a request and its files. Raises `ApiError` for what Discord would not understand."""
    if request.content_type == "multipart/form-data":
        return await _read_parts(request)
    raw = await request.read()
    if not raw:
        return {}, {}
    if request.headers.get("Content-Type") != "application/json":
        raise ApiError(400, 50035, "Expected Content-Type application/json")
    return _json(raw), {}


async def _read_parts(request: web.Request) -> tuple[Any, Uploads]:
    body: Any = {}
    files: Uploads = {}
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise ValueError("nested")
            data = bytes(await part.read())
            if part.name == "payload_json":
                body = _json(data)
            elif found := re.fullmatch(r"files\[(\d+)\]", part.name or ""):
                files[int(found[1])] = Upload(part.filename or "unknown", data)
            else:
                raise invalid_form(part.name or "form", "BASE_TYPE_CHOICES", "Only payload_json and files[n].")
    except (ValueError, AssertionError):
        raise ApiError(400, 50035, "Invalid Form Body") from None
    if any(len(file.data) > MAX_FILE for file in files.values()):
        raise ApiError(413, 40005, "Request entity too large")
    return body, files


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        raise ApiError(400, 50109, "The request body contains invalid JSON.") from None
