"""The routes of the loopback Discord about channels and forums, their tags, threads and posts."""

from datetime import datetime
from typing import Any

from aiohttp import web

from tests.servers.discord.bodies import Bodies
from tests.servers.discord.limits import Limits
from tests.servers.discord.state import ApiError, State, invalid_form
from tests.servers.discord.wire import FILES, fields, limit_of, number, reply, snowflake, text_of
from tests.servers.discord.world import (
    ARCHIVE_AFTER,
    FORUM,
    PUBLIC_THREAD,
    TEXT,
    THREADS,
    Channel,
    Guild,
    Payload,
    stamp,
)

MOST_TAGS, MOST_TAGS_OF_A_POST, TAG_NAME, NAME = 20, 5, 20, 100
REQUIRE_TAG = 1 << 4
THREAD_FIELDS = {"name", "archived", "locked", "auto_archive_duration", "applied_tags", "rate_limit_per_user"}


class Threads:
    def __init__(self, state: State, bodies: Bodies, limits: Limits) -> None:
        self._state = state
        self._bodies = bodies
        self._limits = limits

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/channels/{channel}/threads", self.start),
            web.post("/channels/{channel}/messages/{message}/threads", self.start),
            web.patch("/channels/{channel}", self.modify),
            web.delete("/channels/{channel}", self.delete),
            web.put("/channels/{channel}/thread-members/@me", self.join),
            web.get("/channels/{channel}/threads/archived/public", self.archived),
            web.get("/guilds/{guild}/threads/active", self.active),
            web.get("/guilds/{guild}/channels", self.channels),
            web.post("/guilds/{guild}/channels", self.create),
        ]

    async def start(self, request: web.Request) -> web.Response:
        parent, body = self._channel(request), fields(request)
        if parent.kind not in (TEXT, FORUM):
            raise ApiError(400, 50024, "Cannot execute action on this channel type")
        if parent.kind == FORUM:
            return self._start_post(parent, body, request)
        self._state.require(parent, "CREATE_PUBLIC_THREADS")
        origin = None
        if "message" in request.match_info:
            origin = self._state.message(parent, number(request, "message"))
            if origin.id in self._state.channels:
                raise ApiError(400, 160004, "A thread has already been created for this message")
        thread = self.new_thread(parent, body, thread_id=origin.id if origin else None)
        return reply(self._with_member(thread), 201)

    def _start_post(self, forum: Channel, body: Payload, request: web.Request) -> web.Response:
        # In a forum the right to send messages is the right to begin posts.
        # Source: docs.discord.com/developers/resources/channel, Start Thread in Forum.
        self._state.require(forum, "SEND_MESSAGES")
        message = body.get("message")
        if not isinstance(message, dict):
            raise invalid_form("message", "BASE_TYPE_REQUIRED", "This field is required")
        if request[FILES]:
            self._state.require(forum, "ATTACH_FILES")
        if message.get("embeds"):
            self._state.require(forum, "EMBED_LINKS")
        shown = self._bodies.new(message, request[FILES])
        thread = self.new_thread(forum, body)
        first = self._state.post(thread, self._state.bot, id=thread.id, **shown)
        return reply(self._with_member(thread) | {"message": first.payload()}, 201)

    def new_thread(self, parent: Channel, body: Payload, *, thread_id: int | None = None) -> Channel:
        """A thread or post of the bot's, as `body` says; raises what Discord would refuse."""
        assert parent.guild is not None
        name = text_of(body, "name", NAME)
        auto_archive = _archive_after(body, parent)
        tags = self._tags(parent, body.get("applied_tags") or [])
        if parent.flags & REQUIRE_TAG and not tags:
            raise ApiError(400, 40067, "A tag is required to create a forum post in this channel")
        self._state.make_room(parent.guild)
        thread = self._state.new_channel(
            PUBLIC_THREAD,
            channel_id=thread_id,
            name=name,
            guild=parent.guild,
            parent_id=parent.id,
            owner_id=self._state.bot.id,
            auto_archive=auto_archive,
            applied_tags=tags,
        )
        self._state.announce("THREAD_CREATE", thread)
        return thread

    def _tags(self, forum: Channel, wanted: Any, *, may_moderate: bool = True) -> list[str]:
        if not isinstance(wanted, list) or len(wanted) > MOST_TAGS_OF_A_POST:
            words = f"Must be {MOST_TAGS_OF_A_POST} or fewer in length."
            raise invalid_form("applied_tags", "BASE_TYPE_MAX_LENGTH", words)
        known = {tag["id"]: tag for tag in forum.available_tags}
        tags = [str(snowflake(one, f"applied_tags.{place}")) for place, one in enumerate(wanted)]
        for tag in tags:
            if tag not in known:
                raise ApiError(404, 10087, "Unknown Tag")
            if known[tag]["moderated"] and not may_moderate:
                raise ApiError(403, 50013, "Missing Permissions")
        return list(dict.fromkeys(tags))

    def _with_member(self, thread: Channel) -> Payload:
        data = thread.payload()
        if thread.owner_id == self._state.bot.id:
            data["member"] = self._member(thread)
        return data

    def _member(self, thread: Channel) -> Payload:
        bot = str(self._state.bot.id)
        return {"id": str(thread.id), "user_id": bot, "join_timestamp": stamp(thread.created), "flags": 0}

    async def modify(self, request: web.Request) -> web.Response:
        channel, body = self._channel(request), fields(request)
        self._state.require(channel)
        if channel.kind in THREADS:
            self._modify_thread(channel, body)
        elif channel.kind in (TEXT, FORUM):
            self._modify_channel(channel, body)
        else:
            raise ApiError(400, 50024, "Cannot execute action on this channel type")
        return reply(channel.payload())

    def _modify_thread(self, thread: Channel, body: Payload) -> None:
        """Source: docs.discord.com/developers/topics/threads, Editing & Deleting Threads."""
        moderates = self._state.may(thread, "MANAGE_THREADS")
        own = thread.owner_id == self._state.bot.id
        wakes = body.get("archived") is False
        if thread.archived and not wakes:
            raise ApiError(400, 50083, "Thread is archived")
        alone_wakes = wakes and set(body) & THREAD_FIELDS == {"archived"}
        if not moderates and (thread.locked or body.keys() & {"locked", "rate_limit_per_user"}):
            raise ApiError(403, 50013, "Missing Permissions")
        if not moderates and not own and not alone_wakes:
            raise ApiError(403, 50013, "Missing Permissions")
        if thread.archived and thread.guild is not None:
            self._state.make_room(thread.guild)
        changed = self._thread_fields(thread, body, moderates=moderates)
        if changed.get("name", thread.name) != thread.name:
            self._limits.spend_rename(thread)
        self._state.change_thread(thread, **changed)

    def _thread_fields(self, thread: Channel, body: Payload, *, moderates: bool) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        if "name" in body:
            changed["name"] = text_of(body, "name", NAME)
        for name in ("archived", "locked"):
            if body.get(name) is not None:
                changed[name] = bool(body[name])
        if body.get("auto_archive_duration") is not None:
            changed["auto_archive"] = _archive_after(body, thread)
        if "rate_limit_per_user" in body:
            changed["slowmode"] = int(body["rate_limit_per_user"] or 0)
        if "applied_tags" in body:
            forum = self._state.channels[thread.parent_id or 0]
            tags = self._tags(forum, body["applied_tags"] or [], may_moderate=moderates)
            if forum.flags & REQUIRE_TAG and not tags:
                raise ApiError(400, 40067, "A tag is required to create a forum post in this channel")
            changed["applied_tags"] = tags
        return changed

    def _modify_channel(self, channel: Channel, body: Payload) -> None:
        self._state.require(channel, "MANAGE_CHANNELS")
        name = text_of(body, "name", NAME) if "name" in body else channel.name
        topic = body.get("topic", channel.topic)
        if topic is not None:
            topic = text_of({"topic": topic}, "topic", 4096 if channel.kind == FORUM else 1024, shortest=0)
        tags = channel.available_tags
        if channel.kind == FORUM and "available_tags" in body:
            tags = self._available(channel, body["available_tags"] or [])
        if name != channel.name or topic != channel.topic:
            self._limits.spend_rename(channel)
        channel.name, channel.topic, channel.available_tags = name, topic, tags
        channel.flags = int(body.get("flags", channel.flags))
        left = {tag["id"] for tag in tags}
        for thread in self._state.threads(channel):
            thread.applied_tags = [tag for tag in thread.applied_tags if tag in left]
        self._state.announce("CHANNEL_UPDATE", channel)

    def _available(self, forum: Channel, wanted: Any) -> list[Payload]:
        if not isinstance(wanted, list) or len(wanted) > MOST_TAGS:
            raise invalid_form("available_tags", "BASE_TYPE_MAX_LENGTH", f"Must be {MOST_TAGS} or fewer in length.")
        old = {tag["id"]: tag for tag in forum.available_tags}
        tags = []
        for place, one in enumerate(wanted):
            where = f"available_tags.{place}"
            if not isinstance(one, dict):
                raise invalid_form(where, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
            name = text_of(one, "name", TAG_NAME, where=where)
            tag_id = str(one["id"]) if str(one.get("id") or "") in old else str(next(self._state.ids))
            emoji = {"emoji_id": one.get("emoji_id"), "emoji_name": one.get("emoji_name")}
            tags.append({"id": tag_id, "name": name, "moderated": bool(one.get("moderated"))} | emoji)
        if len({tag["name"] for tag in tags}) < len(tags):
            raise invalid_form("available_tags", "TAG_NAMES_MUST_BE_UNIQUE", "Tag names must be unique")
        return tags

    async def delete(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel, "MANAGE_THREADS" if channel.kind in THREADS else "MANAGE_CHANNELS")
        self._state.forget(channel)
        return reply(channel.payload())

    async def join(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        self._state.require(channel)
        if channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        return web.Response(status=204)

    async def archived(self, request: web.Request) -> web.Response:
        parent = self._channel(request)
        self._state.require(parent, "READ_MESSAGE_HISTORY")
        limit, before = limit_of(request, default=50), _before(request)
        found = [one for one in self._state.threads(parent) if one.archived and one.kind == PUBLIC_THREAD]
        found = sorted(found, key=lambda one: one.archived_at, reverse=True)
        found = [one for one in found if before is None or one.archived_at < before]
        return reply(self._listed(found[:limit]) | {"has_more": len(found) > limit})

    async def active(self, request: web.Request) -> web.Response:
        found = self._state.active_threads(self._guild(request))
        return reply(self._listed([one for one in reversed(found) if self._state.may(one, "VIEW_CHANNEL")]))

    def _listed(self, threads: list[Channel]) -> Payload:
        own = [self._member(thread) for thread in threads if thread.owner_id == self._state.bot.id]
        return {"threads": [thread.payload() for thread in threads], "members": own}

    async def channels(self, request: web.Request) -> web.Response:
        guild = self._guild(request)
        own = [one for one in self._state.channels.values() if one.guild is guild and one.kind not in THREADS]
        return reply([channel.payload() for channel in own])

    async def create(self, request: web.Request) -> web.Response:
        guild, body = self._guild(request), fields(request)
        self._state.require_in_guild(guild, "MANAGE_CHANNELS")
        kind = body.get("type", TEXT)
        if kind not in (TEXT, FORUM):
            raise invalid_form("type", "BASE_TYPE_CHOICES", f"This test server makes channels of {(TEXT, FORUM)}.")
        channel = self._state.new_channel(kind, name=text_of(body, "name", NAME), guild=guild)
        channel.topic = body.get("topic")
        channel.available_tags = self._available(channel, body.get("available_tags") or [])
        self._state.announce("CHANNEL_CREATE", channel)
        return reply(channel.payload(), 201)

    def _channel(self, request: web.Request) -> Channel:
        return self._state.channel(number(request, "channel"))

    def _guild(self, request: web.Request) -> Guild:
        return self._state.guild(number(request, "guild"))


def _archive_after(body: Payload, parent: Channel) -> int:
    minutes = body.get("auto_archive_duration")
    if minutes is None:
        return parent.auto_archive
    if minutes not in ARCHIVE_AFTER:
        raise invalid_form("auto_archive_duration", "BASE_TYPE_CHOICES", f"Value must be one of {ARCHIVE_AFTER}.")
    return int(minutes)


def _before(request: web.Request) -> datetime | None:
    text = request.query.get("before")
    try:
        return datetime.fromisoformat(text) if text is not None else None
    except ValueError:
        raise invalid_form("before", "DATE_TIME_TYPE_PARSE", f'Could not parse "{text}".') from None
