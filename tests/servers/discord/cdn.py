"""The files of the loopback Discord and the address from which it hands them out."""

import mimetypes
import re
from collections.abc import Callable, Iterator
from pathlib import PurePath
from urllib.parse import quote

from aiohttp import web

from tests.servers.discord.state import invalid_form
from tests.servers.discord.wire import Uploads, snowflake
from tests.servers.discord.world import Payload

MOST_FILES = 10


class Cdn:
    """`root` is where this server is reached."""

    def __init__(self, root: Callable[[], str], ids: Iterator[int]) -> None:
        self._root = root
        self._ids = ids
        self._files: dict[str, tuple[bytes, str]] = {}

    def host(self, name: str, data: bytes, media_type: str | None = None, *, description: str | None = None) -> Payload:
        """An attachment whose bytes are handed out from now on."""
        file_id = next(self._ids)
        kind = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        path = f"/attachments/{file_id}/{quote(name)}"
        self._files[path] = (data, kind)
        place = self._root() + path
        found: Payload = {"id": str(file_id), "filename": name, "size": len(data), "url": place, "proxy_url": place}
        found["content_type"] = kind
        return found if description is None else found | {"description": description}

    def lose(self, attachment: Payload) -> None:
        """Its address is good no longer, as after a day."""
        self._files.pop(attachment["url"].removeprefix(self._root()), None)

    def data(self, attachment: Payload) -> bytes:
        """The bytes of an attachment."""
        return self._files[attachment["url"].removeprefix(self._root())][0]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.raw_path not in self._files:
            return web.Response(status=404, text="This content is no longer available.")
        data, media_type = self._files[request.raw_path]
        return web.Response(body=data, content_type=media_type)

    def attach(self, wanted: object, files: Uploads, kept: list[Payload]) -> list[Payload]:
        """The attachments of a message: what the field `attachments` names of those it has and of new files.

        Without the field it keeps all that it has, and gets all new ones.
        Source: docs.discord.com/developers/reference, Uploading Files.
        """
        found = list(kept)
        if wanted is None:
            named: list[Payload] = [{"id": one} for one in sorted(files)]
        elif isinstance(wanted, list) and all(isinstance(one, dict) for one in wanted):
            ids = {str(one.get("id")) for one in wanted}
            found = [one for one in kept if one["id"] in ids]
            named = [one for one in wanted if str(one.get("id")) not in {old["id"] for old in kept}]
        else:
            raise invalid_form("attachments", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        for place, about in enumerate(named):
            if (index := snowflake(about.get("id"), f"attachments.{place}.id")) not in files:
                raise invalid_form(f"attachments.{place}.id", "ATTACHMENT_NOT_FOUND", "Attachment data not found")
            file = files[index]
            found.append(self._upload(about.get("filename") or file.name, file.data, about.get("description")))
        if len(named) < len(files):
            raise invalid_form("attachments", "ATTACHMENT_NOT_FOUND", "A file is not named in attachments.")
        if len(found) > MOST_FILES:
            raise invalid_form("attachments", "BASE_TYPE_MAX_LENGTH", f"Must be {MOST_FILES} or fewer in length.")
        return found

    def _upload(self, name: str, data: bytes, description: str | None) -> Payload:
        # Discord keeps the name as a title when it has letters that an address should not have.
        safe = re.sub(r"[^\w.-]+", "", name.replace(" ", "_"), flags=re.ASCII).lstrip(".") or "unknown"
        hosted = self.host(safe, data, description=description)
        return hosted if safe == name else hosted | {"title": PurePath(name).stem}
