"""The REST routes of the loopback Discord about users, guilds, channels, messages and commands."""

import math
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.servers.discord.bodies import Bodies
from tests.servers.discord.limits import Limits
from tests.servers.discord.messages import Message
from tests.servers.discord.state import ApiError, State, invalid_form
from tests.servers.discord.wire import BODY, FILES, Uploads, fields, limit_of, no_content, number, reply, snowflake
from tests.servers.discord.world import DM, TEXT, THREADS, Channel, Guild, Payload

NONCE_LASTS = 300.0
"""Seconds; Discord says "the past few minutes"."""


class Rest:
    def __init__(self, state: State, bodies: Bodies, limits: Limits, *, application: Payload) -> None:
        self._state = state
        self._bodies = bodies
        self._limits = limits
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
            web.post(messages, self.post_message),
            web.post(messages + "/bulk-delete", self.delete_messages),
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

    def _guild(self, request: web.Request) -> Guild:
        return self._state.guild(number(request, "guild"))

    async def channel(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel)
        return reply(channel.payload())

    def _channel(self, request: web.Request) -> Channel:
        return self._state.channel(number(request, "channel"))

    async def open_direct(self, request: web.Request) -> web.Response:
        user = self._state.users.get(snowflake(fields(request).get("recipient_id", 0), "recipient_id"))
        if user is None:
            raise invalid_form("recipient_id", "CHANNEL_RECIPIENT_INVALID", "Invalid recipient")
        return reply(self._state.direct_channel(user).payload())

    async def typing(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel, "SEND_MESSAGES_IN_THREADS" if channel.kind in THREADS else "SEND_MESSAGES")
        channel.typing += 1
        self._state.notify()
        return no_content()

    async def list_messages(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel)
        bounds = {name: snowflake(request.query[name], name) for name in ("after", "before") if name in request.query}
        if len(bounds) > 1 or set(request.query) - {"after", "before", "limit"}:
            raise invalid_form("after", "BASE_TYPE_CHOICES", "This test server takes one of after and before.")
        limit = limit_of(request, default=50)
        if not self._state.may(channel, "READ_MESSAGE_HISTORY"):
            return reply([])  # no error: there is just nothing to be read
        after, before = bounds.get("after", 0), bounds.get("before", 1 << 63)
        found = [one for one in channel.messages if after < one.id < before and not one.deleted and not one.ephemeral]
        # Discord gives the newest first, but those nearest to `after` when that was asked.
        chosen = found[:limit] if "after" in bounds else found[-limit:]
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
        self._require_open(channel)
        message = self._post(channel, fields(request), request[FILES])
        return reply(message.payload())

    def _require_open(self, channel: Channel) -> None:
        """A thread that is locked takes nothing; but moderators may write into it as long as it is active.

        Source: docs.discord.com/developers/topics/threads.
        """
        if channel.locked and channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        if channel.locked and not self._state.may(channel, "MANAGE_THREADS"):
            raise ApiError(400, 160005, "Thread is locked")

    def _post(self, channel: Channel, body: Payload, files: Uploads) -> Message:
        nonce = body.get("nonce")
        if nonce is not None and len(str(nonce)) > 25:
            raise invalid_form("nonce", "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length.")
        shown = self._shown(channel, body, files)
        used, earlier = channel.nonces.get(str(nonce), (-math.inf, None))
        if body.get("enforce_nonce") and earlier is not None and self._state.clock() - used < NONCE_LASTS:
            return earlier
        shown |= self._reference(channel, body.get("message_reference"))
        self._state.bring_back(channel)
        message = self._state.post(channel, self._state.bot, nonce=None if nonce is None else str(nonce), **shown)
        if nonce is not None:
            channel.nonces[str(nonce)] = (self._state.clock(), message)
        return message

    def _shown(self, channel: Channel, body: Payload, files: Uploads) -> dict[str, Any]:
        if files:
            self._state.require(channel, "ATTACH_FILES")
        if body.get("embeds"):
            self._state.require(channel, "EMBED_LINKS")
        return self._bodies.new(body, files)

    def _reference(self, channel: Channel, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
        if wanted is None:
            return {}
        if not self._state.may(channel, "READ_MESSAGE_HISTORY"):
            raise ApiError(400, 160002, "Cannot reply without permission to read message history")
        try:
            original = self._state.message(channel, int(wanted["message_id"]))
        except (ApiError, KeyError, ValueError, TypeError):
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
        if channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        if request[FILES]:
            self._state.require(channel, "ATTACH_FILES")
        self._limits.spend_edit(message)
        self._bodies.edit(message, fields(request), request[FILES])
        return reply(message.payload())

    async def delete_message(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel)
        message = self._state.message(channel, number(request, "message"))
        if message.author is not self._state.bot:
            self._state.require(channel, "MANAGE_MESSAGES")
        self._state.remove(message)
        return no_content()

    async def delete_messages(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel, "MANAGE_MESSAGES")
        ids = {str(one) for one in fields(request).get("messages") or ()}
        if not 2 <= len(ids) <= 100:
            raise ApiError(400, 50016, "Provided too few or too many messages to delete.")
        found = [one for one in channel.messages if str(one.id) in ids and not one.deleted]
        if found:
            self._state.remove_many(found)
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
