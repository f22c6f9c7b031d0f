"""Fetches the files of a message for the other side, within what that side takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.chat import Attachment, ChatPlatform, File
from bot.errors import MessageRefused, PlatformError, RateLimited, Unavailable

log = logging.getLogger(__name__)

_TRIES = 3
_PAUSE = 0.5
_SECONDS = 60.0
_ENDINGS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "video/mp4": ".mp4",
    "application/pdf": ".pdf",
}
_MEGABYTE = 1024 * 1024

Failure = Literal["large", "lost", "none"]
"""It is too large; it cannot be had; the other side takes no files."""


@dataclass(frozen=True, slots=True)
class Unfetched:
    """A file that stays behind. `limit`: megabytes that would have been taken."""

    attachment: Attachment
    failure: Failure
    limit: int = 0


async def fetched(
    attachments: Sequence[Attachment],
    *,
    from_: ChatPlatform,
    to: ChatPlatform,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> tuple[list[File], list[Unfetched]]:
    """The files that can be shown by `to`, and what stays behind."""
    files: list[File] = []
    left: list[Unfetched] = []
    for number, attachment in enumerate(attachments, 1):
        found = await _file(attachment, number, from_, to, sleep)
        if isinstance(found, File):
            files.append(found)
        else:
            left.append(found)
    return files, left


async def _file(
    attachment: Attachment,
    number: int,
    from_: ChatPlatform,
    to: ChatPlatform,
    sleep: Callable[[float], Awaitable[None]],
) -> File | Unfetched:
    limit = to.limits.file_bytes
    if not to.limits.files:
        return Unfetched(attachment, "none")
    large = Unfetched(attachment, "large", limit // _MEGABYTE)
    if (attachment.size or 0) > limit:
        return large
    for tried in range(_TRIES):
        try:
            async with asyncio.timeout(_SECONDS):
                data = await from_.download(attachment, limit=limit)
            return File(_name(attachment, number), attachment.media_type, data)
        except MessageRefused:
            return large
        except (Unavailable, RateLimited, TimeoutError) as exc:
            log.info("a file was not loaded at try %s: %s", tried + 1, exc or "no answer")
            if tried + 1 < _TRIES:
                await sleep(exc.retry_after if isinstance(exc, RateLimited) else _PAUSE * 2**tried)
        except PlatformError as exc:
            log.info("a file was not loaded: %s", exc)
            break
    return Unfetched(attachment, "lost")


def _name(attachment: Attachment, number: int) -> str:
    return attachment.name or f"{attachment.kind}-{number}{_ENDINGS.get(attachment.media_type, '')}"
