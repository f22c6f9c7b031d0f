"""The webhooks of the loopback Discord: made by the bot, written through by whoever knows the token.

Source: docs.discord.com/developers/resources/webhook.
"""

import secrets
from typing import Any

from aiohttp import web

from tests.servers.discord.bodies import Bodies
from tests.servers.discord.gateway import GUILD_WEBHOOKS
from tests.servers.discord.limits import Limits
from tests.servers.discord.messages import Message
from tests.servers.discord.state import ApiError, State, Webhook, invalid_form
from tests.servers.discord.threads import Threads
from tests.servers.discord.wire import FILES, fields, no_content, number, reply, snowflake, text_of
from tests.servers.discord.world import FORUM, TEXT, THREADS, Channel, Payload, User

MOST_WEBHOOKS = 15
LONGEST_NAME = 80
FORBIDDEN_IN_NAMES = ("discord", "clyde", "```")
FORBIDDEN_NAMES = ("everyone", "here")


class Webhooks:
    def __init__(self, state: State, bodies: Bodies, threads: Threads, limits: Limits, *, application_id: int) -> None:
        self._state = state
        self._bodies = bodies
        self._threads = threads
        self._limits = limits
        self._application_id = application_id

    def routes(self) -> list[web.RouteDef]:
        one, with_token = "/webhooks/{webhook}", "/webhooks/{webhook}/{token}"
        message = with_token + "/messages/{message}"
        return [
            web.post("/channels/{channel}/webhooks", self.create),
            web.get("/channels/{channel}/webhooks", self.of_channel),
            web.get("/guilds/{guild}/webhooks", self.of_guild),
            web.get(one, self.get),
            web.patch(one, self.modify),
            web.delete(one, self.delete),
            web.get(with_token, self.get_with_token),
            web.delete(with_token, self.delete_with_token),
            web.post(with_token, self.execute),
            web.get(message, self.get_message),
            web.patch(message, self.edit_message),
            web.delete(message, self.delete_message),
        ]

    async def create(self, request: web.Request) -> web.Response:
        channel = self._state.channel(number(request, "channel"))
        if channel.kind not in (TEXT, FORUM):
            raise ApiError(400, 50024, "Cannot execute action on this channel type")
        self._state.require(channel, "MANAGE_WEBHOOKS")
        name = name_of(fields(request), "name")
        if len(self._in(channel)) >= MOST_WEBHOOKS:
            raise ApiError(400, 30007, f"Maximum number of webhooks reached ({MOST_WEBHOOKS})")
        webhook = Webhook(next(self._state.ids), secrets.token_urlsafe(50), name, channel, self._application_id)
        self._state.webhooks[webhook.id] = webhook
        self._announce(channel)
        return reply(self._payload(webhook))

    def _in(self, channel: Channel) -> list[Webhook]:
        return [one for one in self._state.webhooks.values() if one.channel is channel]

    def _announce(self, channel: Channel) -> None:
        assert channel.guild is not None
        data = {"guild_id": str(channel.guild.id), "channel_id": str(channel.id)}
        self._state.tell_guild("WEBHOOKS_UPDATE", channel, GUILD_WEBHOOKS, data)

    def _payload(self, webhook: Webhook, *, with_user: bool = True) -> Payload:
        assert webhook.channel.guild is not None
        data: Payload = {
            "id": str(webhook.id),
            "type": 1,
            "guild_id": str(webhook.channel.guild.id),
            "channel_id": str(webhook.channel.id),
            "name": webhook.name,
            "avatar": None,
            "application_id": None if webhook.application_id is None else str(webhook.application_id),
        }
        if webhook.application_id in (self._application_id, None):
            data["token"] = webhook.token
        return data | {"user": self._state.bot.payload()} if with_user else data

    async def of_channel(self, request: web.Request) -> web.Response:
        channel = self._state.channel(number(request, "channel"))
        self._state.require(channel, "MANAGE_WEBHOOKS")
        return reply([self._payload(one) for one in self._in(channel)])

    async def of_guild(self, request: web.Request) -> web.Response:
        guild = self._state.guild(number(request, "guild"))
        self._state.require_in_guild(guild, "MANAGE_WEBHOOKS")
        return reply([self._payload(one) for one in self._state.webhooks.values() if one.channel.guild is guild])

    async def get(self, request: web.Request) -> web.Response:
        webhook = self._known(request)
        if webhook.application_id == self._application_id:
            # Its own ones the bot may look at without any permission, as long as it is in the server.
            self._state.channel(webhook.channel.id)
            return reply(self._payload(webhook))
        return reply(self._payload(self._managed(request)))

    async def modify(self, request: web.Request) -> web.Response:
        webhook, body = self._managed(request), fields(request)
        if "name" in body:
            webhook.name = name_of(body, "name")
        if body.get("channel_id") is not None:
            channel = self._state.channel(snowflake(body["channel_id"], "channel_id"))
            self._state.require(channel, "MANAGE_WEBHOOKS")
            webhook.channel = channel
        self._announce(webhook.channel)
        return reply(self._payload(webhook))

    async def delete(self, request: web.Request) -> web.Response:
        self.remove(self._managed(request))
        return no_content()

    def remove(self, webhook: Webhook) -> None:
        """It is gone, as when a person deletes it in the settings of the channel."""
        del self._state.webhooks[webhook.id]
        self._announce(webhook.channel)

    def _managed(self, request: web.Request) -> Webhook:
        webhook = self._known(request)
        self._state.require(self._state.channel(webhook.channel.id), "MANAGE_WEBHOOKS")
        return webhook

    def _known(self, request: web.Request) -> Webhook:
        webhook = self._state.webhooks.get(number(request, "webhook"))
        if webhook is None:
            raise ApiError(404, 10015, "Unknown Webhook")
        return webhook

    def _trusted(self, request: web.Request) -> Webhook:
        webhook = self._known(request)
        if request.match_info["token"] != webhook.token:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        return webhook

    async def get_with_token(self, request: web.Request) -> web.Response:
        return reply(self._payload(self._trusted(request), with_user=False))

    async def delete_with_token(self, request: web.Request) -> web.Response:
        self.remove(self._trusted(request))
        return no_content()

    async def execute(self, request: web.Request) -> web.Response:
        webhook, body = self._trusted(request), fields(request)
        author = User(webhook.id, webhook.name, bot=True)
        if body.get("username") is not None:
            author.name = name_of(body, "username")
        shown = self._bodies.new(body, request[FILES])
        channel, first = self._place(webhook, body, request)
        self._limits.spend_webhook_message(channel)
        message = self._state.post(
            channel,
            author,
            id=channel.id if first else None,
            webhook_id=webhook.id,
            application_id=webhook.application_id,
            avatar_url=body.get("avatar_url"),
            **shown,
        )
        return reply(message.payload()) if _true(request, "wait") else no_content()

    def _place(self, webhook: Webhook, body: Payload, request: web.Request) -> tuple[Channel, bool]:
        """Where it writes, and whether that is a new post which begins with it."""
        name, forum = body.get("thread_name"), webhook.channel.kind == FORUM
        if "thread_id" in request.query:
            if name is not None:
                raise ApiError(400, 220002, "Webhooks cannot have both a thread_name and thread_id")
            return self._thread(webhook, request.query["thread_id"]), False
        if name is not None and not forum:
            raise ApiError(400, 220003, "Webhooks can only create threads in forum channels")
        if name is not None:
            about = {"name": name, "applied_tags": body.get("applied_tags")}
            return self._threads.new_thread(webhook.channel, about), True
        if forum:
            raise ApiError(400, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id")
        return webhook.channel, False

    def _thread(self, webhook: Webhook, given: str) -> Channel:
        thread = self._state.channels.get(snowflake(given, "thread_id"))
        if thread is None or thread.kind not in THREADS or thread.parent_id != webhook.channel.id:
            raise ApiError(404, 10003, "Unknown Channel")
        if thread.locked and thread.archived:
            raise ApiError(400, 50083, "Thread is archived")
        self._state.bring_back(thread)
        return thread

    async def get_message(self, request: web.Request) -> web.Response:
        return reply(self._message(request).payload())

    async def edit_message(self, request: web.Request) -> web.Response:
        message = self._message(request)
        if message.channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        self._limits.spend_edit(message)
        self._bodies.edit(message, fields(request), request[FILES])
        return reply(message.payload())

    async def delete_message(self, request: web.Request) -> web.Response:
        self._state.remove(self._message(request))
        return no_content()

    def _message(self, request: web.Request) -> Message:
        webhook = self._trusted(request)
        place: Any = webhook.channel
        if "thread_id" in request.query:
            place = self._state.channels.get(snowflake(request.query["thread_id"], "thread_id"))
            if place is None or place.parent_id != webhook.channel.id:
                raise ApiError(404, 10003, "Unknown Channel")
        message = self._state.message(place, number(request, "message"))
        if message.webhook_id != webhook.id:
            raise ApiError(404, 10008, "Unknown Message")
        return message


def name_of(body: Payload, field: str) -> str:
    """The name under which a webhook writes, as Discord takes it: without blanks at its ends."""
    name = text_of(body, field, LONGEST_NAME).strip()
    for word in FORBIDDEN_IN_NAMES:
        if word in name.lower():
            raise invalid_form(field, "USERNAME_INVALID_CONTAINS", f'Username cannot contain "{word}"')
    if name.lower() in FORBIDDEN_NAMES:
        raise invalid_form(field, "USERNAME_INVALID_EQUALS", f'Username cannot be "{name}"')
    return name


def _true(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() in ("1", "true")
