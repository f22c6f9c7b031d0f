"""The REST routes of the loopback Discord about users, guilds, channels, messages and commands."""

import json
import math
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.servers.discord.state import ApiError, State, invalid_form
from tests.servers.discord.world import (
    DM,
    FORUM,
    PUBLIC_THREAD,
    SUPPRESS_EMBEDS,
    TEXT,
    THREADS,
    Channel,
    Message,
    Payload,
    User,
)

BODY: web.RequestKey[Any] = web.RequestKey("body", object)
MAX_CONTENT = 2000
SILENT = 1 << 12
NONCE_LASTS = 300.0
"""Seconds; Discord says "the past few minutes"."""


def reply(data: Any, status: int = 200) -> web.Response:
    """JSON with the content type that Discord sends, to the letter: the library compares it as a string."""
    return web.Response(body=json.dumps(data).encode(), status=status, content_type="application/json")


def no_content() -> web.Response:
    return web.Response(status=204)


class Rest:
    def __init__(self, state: State, *, application: Payload) -> None:
        self._state = state
        self._application = application

    def routes(self) -> list[web.RouteDef]:
        messages = "/channels/{channel}/messages"
        commands = "/applications/{application}"
        return [
            web.get("/users/@me", self.me),
            web.get("/users/@me/guilds", self.my_guilds),
            web.post("/users/@me/channels", self.open_direct),
            web.get("/oauth2/applications/@me", self.application),
            web.get("/gateway", self.gateway),
            web.get("/gateway/bot", self.gateway_bot),
            web.get("/guilds/{guild}", self.guild),
            web.get("/guilds/{guild}/roles", self.roles),
            web.get("/guilds/{guild}/members/{user}", self.member),
            web.get("/channels/{channel}", self.channel),
            web.post("/channels/{channel}/typing", self.typing),
            web.post("/channels/{channel}/threads", self.start_thread),
            web.post(messages + "/{message}/threads", self.start_thread),
            web.post(messages, self.post_message),
            web.get(messages, self.list_messages),
            web.get(messages + "/{message}", self.get_message),
            web.patch(messages + "/{message}", self.patch_message),
            web.delete(messages + "/{message}", self.delete_message),
            web.put(commands + "/commands", self.put_commands),
            web.get(commands + "/commands", self.get_commands),
            web.put(commands + "/guilds/{guild}/commands", self.put_commands),
            web.get(commands + "/guilds/{guild}/commands", self.get_commands),
        ]

    async def me(self, request: web.Request) -> web.Response:
        return reply(self._state.bot.payload() | {"verified": True, "mfa_enabled": True, "flags": 0})

    async def application(self, request: web.Request) -> web.Response:
        return reply(self._application)

    async def my_guilds(self, request: web.Request) -> web.Response:
        keys = ("id", "name", "icon", "features")
        return reply(
            [
                {name: value for name, value in guild.payload(with_lists=False).items() if name in keys}
                | {"owner": False, "permissions": str(guild.permissions_of(self._state.bot.id))}
                for guild in self._state.guilds
            ]
        )

    async def gateway(self, request: web.Request) -> web.Response:
        return reply({"url": self._gateway_url(request)})

    async def gateway_bot(self, request: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return reply({"url": self._gateway_url(request), "shards": 1, "session_start_limit": limit})

    def _gateway_url(self, request: web.Request) -> str:
        return f"ws://{request.host}/gateway"

    async def guild(self, request: web.Request) -> web.Response:
        return reply(self._guild(request).payload(with_lists=False))

    async def roles(self, request: web.Request) -> web.Response:
        return reply([role.payload() for role in self._guild(request).roles])

    async def member(self, request: web.Request) -> web.Response:
        guild = self._guild(request)
        user = self._state.users.get(number(request, "user"))
        if user is None:
            raise ApiError(404, 10013, "Unknown User")
        if user.id not in guild.members:
            raise ApiError(404, 10007, "Unknown Member")
        return reply(guild.member_payload(user))

    def _guild(self, request: web.Request) -> Any:
        for guild in self._state.guilds:
            if guild.id == number(request, "guild"):
                return guild
        raise ApiError(404, 10004, "Unknown Guild")

    async def channel(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel)
        return reply(channel.payload())

    def _channel(self, request: web.Request) -> Channel:
        return self._state.channel(number(request, "channel"))

    async def open_direct(self, request: web.Request) -> web.Response:
        user = self._state.users.get(int(request[BODY].get("recipient_id", 0)))
        if user is None:
            raise invalid_form("recipient_id", "CHANNEL_RECIPIENT_INVALID", "Invalid recipient")
        return reply(self._state.direct_channel(user).payload())

    async def typing(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel, "SEND_MESSAGES")
        channel.typing += 1
        self._state.notify()
        return no_content()

    async def start_thread(self, request: web.Request) -> web.Response:
        parent, body = self._channel(request), request[BODY]
        self._state.require(parent, "CREATE_PUBLIC_THREADS")
        name = body.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= 100:
            raise invalid_form("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
        if parent.kind == FORUM and not isinstance(body.get("message"), dict):
            raise invalid_form("message", "BASE_TYPE_REQUIRED", "This field is required")
        if parent.kind not in (TEXT, FORUM):
            raise ApiError(400, 50024, "Cannot execute action on this channel type")
        thread = self._state.new_channel(
            PUBLIC_THREAD, name=name, guild=parent.guild, parent_id=parent.id, owner_id=self._state.bot.id
        )
        self._state.announce("THREAD_CREATE", thread)
        data = thread.payload()
        if parent.kind == FORUM:
            data["message"] = self._post(thread, self._state.bot, body["message"]).payload()
        return reply(data, 201)

    async def list_messages(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel)
        bounds = {name: _snowflake(request, name) for name in ("after", "before") if name in request.query}
        if len(bounds) > 1 or set(request.query) - {"after", "before", "limit"}:
            raise invalid_form("after", "BASE_TYPE_CHOICES", "This test server takes one of after and before.")
        limit = request.query.get("limit", "50")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            raise invalid_form("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
        if not self._state.may(channel, "READ_MESSAGE_HISTORY"):
            return reply([])  # no error: there is just nothing to be read
        after, before = bounds.get("after", 0), bounds.get("before", 1 << 63)
        found = [one for one in channel.messages if after < one.id < before and not one.deleted and not one.ephemeral]
        # Discord gives the newest first, but those nearest to `after` when that was asked.
        chosen = found[: int(limit)] if "after" in bounds else found[-int(limit) :]
        return reply([message.payload() for message in reversed(chosen)])

    async def get_message(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel, "READ_MESSAGE_HISTORY")
        return reply(self._state.message(channel, number(request, "message")).payload())

    async def post_message(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        if channel.kind not in (TEXT, DM, *THREADS):
            raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
        if channel.recipient is not None and not channel.recipient.accepts_dm:
            raise ApiError(403, 50007, "Cannot send messages to this user")
        self._state.require(channel, "SEND_MESSAGES_IN_THREADS" if channel.kind in THREADS else "SEND_MESSAGES")
        if channel.locked:
            raise ApiError(400, 50083, "Thread is archived")
        channel.archived = False
        return reply(self._post(channel, self._state.bot, request[BODY]).payload())

    def _post(self, channel: Channel, author: User, body: Mapping[str, Any]) -> Message:
        content = content_of(body, required=True)
        nonce = body.get("nonce")
        if nonce is not None and len(str(nonce)) > 25:
            raise invalid_form("nonce", "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length.")
        used, earlier = channel.nonces.get(str(nonce), (-math.inf, None))
        if body.get("enforce_nonce") and earlier is not None and self._state.clock() - used < NONCE_LASTS:
            return earlier
        message = self._state.post(
            channel,
            author,
            content,
            nonce=None if nonce is None else str(nonce),
            flags=int(body.get("flags", 0)) & (SUPPRESS_EMBEDS | SILENT),
            allowed_mentions=allowed_mentions_of(body),
            **self._reference(channel, body.get("message_reference")),
        )
        if nonce is not None:
            channel.nonces[str(nonce)] = (self._state.clock(), message)
        return message

    def _reference(self, channel: Channel, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
        if wanted is None:
            return {}
        if "READ_MESSAGE_HISTORY" in channel.denied:
            raise ApiError(400, 160002, "Cannot reply without permission to read message history")
        try:
            original = self._state.message(channel, int(wanted["message_id"]))
        except (ApiError, KeyError, ValueError):
            if wanted.get("fail_if_not_exists", True):
                raise invalid_form("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message") from None
            return {}
        place = {"message_id": str(original.id), "channel_id": str(channel.id)}
        return {"replied_to": original, "reference": place}

    async def patch_message(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel)
        message = self._state.message(channel, number(request, "message"))
        if message.author is not self._state.bot:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        if channel.locked or channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        apply_edit(self._state, message, request[BODY])
        return reply(message.payload())

    async def delete_message(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        message = self._state.message(channel, number(request, "message"))
        if message.author is not self._state.bot:
            raise ApiError(403, 50013, "Missing Permissions")
        self._state.remove(message)
        return no_content()

    async def put_commands(self, request: web.Request) -> web.Response:
        where = self._command_place(request)
        wanted = request[BODY]
        if not isinstance(wanted, list):
            raise ApiError(400, 50035, "Invalid Form Body")
        commands = [self._command(command, where) for command in wanted]
        names = [command["name"] for command in commands]
        if len(set(names)) != len(names):
            raise invalid_form(
                "name", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique"
            )
        self._state.commands[where] = commands
        self._state.notify()
        return reply(commands)

    async def get_commands(self, request: web.Request) -> web.Response:
        return reply(self._state.commands.get(self._command_place(request), []))

    def _command_place(self, request: web.Request) -> int | None:
        if request.match_info["application"] != self._application["id"]:
            raise ApiError(403, 20012, "You are not authorized to perform this action on this application")
        return int(request.match_info["guild"]) if "guild" in request.match_info else None

    def _command(self, command: Payload, where: int | None) -> Payload:
        texts = [command, *command.get("options", ())]
        for text in texts:
            name = str(text.get("name", ""))
            if not 1 <= len(name) <= 32 or name != name.lower():
                raise invalid_form("name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
            for description in (text.get("description"), *text.get("description_localizations", {}).values()):
                if not isinstance(description, str) or not 1 <= len(description) <= 100:
                    raise invalid_form("description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
        place = {"guild_id": str(where)} if where is not None else {}
        known = {"type": 1, "default_member_permissions": None, "dm_permission": True, "nsfw": False, "version": "1"}
        return known | command | place | {"id": str(next(self._state.ids)), "application_id": self._application["id"]}


def number(request: web.Request, name: str) -> int:
    text = request.match_info[name]
    if not text.isdecimal():
        raise invalid_form(name, "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')
    return int(text)


def _snowflake(request: web.Request, name: str) -> int:
    text = request.query[name]
    if not text.isdecimal():
        raise invalid_form(name, "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')
    return int(text)


def content_of(body: Mapping[str, Any], *, required: bool) -> str:
    content = body.get("content")
    if content is not None and not isinstance(content, str):
        raise invalid_form("content", "STRING_TYPE_CONVERT", "Could not interpret value as string.")
    if content is not None and len(content) > MAX_CONTENT:
        raise invalid_form("content", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_CONTENT} or fewer in length.")
    if required and not (content or "").strip():
        raise ApiError(400, 50006, "Cannot send an empty message")
    return content or ""


def allowed_mentions_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    allowed = body.get("allowed_mentions")
    if allowed is None:
        return None
    parse = allowed.get("parse", [])
    if set(parse) - {"users", "roles", "everyone"}:
        raise invalid_form(
            "allowed_mentions", "BASE_TYPE_CHOICES", "Value must be one of ('users', 'roles', 'everyone')."
        )
    for kind in ("users", "roles"):
        if kind in parse and allowed.get(kind):
            raise invalid_form("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", "Mutually exclusive.")
    return dict(allowed)


def apply_edit(state: State, message: Message, body: Mapping[str, Any], *, clear: int = 0) -> None:
    """Change a message as a PATCH says; the bits in `clear` go (a deferred answer stops thinking)."""
    content = content_of(body, required=True) if "content" in body or clear else message.content
    flags = message.flags & ~clear
    if "flags" in body:
        flags = (flags & ~SUPPRESS_EMBEDS) | (int(body["flags"] or 0) & SUPPRESS_EMBEDS)
    # Without the field an edit is parsed anew, exactly like a message without it.
    message.allowed_mentions = allowed_mentions_of(body)
    state.change(message, content, flags=flags)
