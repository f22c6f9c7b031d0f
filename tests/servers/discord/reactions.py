"""The emoji under messages on the loopback Discord: its routes, and the events that tell of them."""

from aiohttp import web

from tests.servers.discord.emoji import reaction_of
from tests.servers.discord.gateway import DIRECT_REACTIONS, GUILD_REACTIONS
from tests.servers.discord.messages import Message, Reaction
from tests.servers.discord.state import ApiError, State
from tests.servers.discord.wire import limit_of, no_content, number, reply
from tests.servers.discord.world import Payload, User

MOST_REACTIONS = 20


class Reactions:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        all_of_them = "/channels/{channel}/messages/{message}/reactions"
        one = all_of_them + "/{emoji}"
        return [
            web.put(one + "/@me", self.put),
            web.delete(one + "/@me", self.take_away),
            web.delete(one + "/{user}", self.take_away),
            web.get(one, self.who),
            web.delete(all_of_them, self.clear),
        ]

    async def put(self, request: web.Request) -> web.Response:
        message = self._message(request)
        key, reaction = reaction_of(request.match_info["emoji"], message.channel.guild)
        if key not in message.reactions:
            self._state.require(message.channel, "ADD_REACTIONS")
            if len(message.reactions) >= MOST_REACTIONS:
                raise ApiError(400, 30010, f"Maximum number of reactions reached ({MOST_REACTIONS})")
        self.add(message, self._state.bot, key, reaction)
        return no_content()

    def add(self, message: Message, user: User, key: str, reaction: Reaction) -> None:
        """Put an emoji there, unless this user did before."""
        found = message.reactions.setdefault(key, reaction)
        if user not in found.users:
            found.users.append(user)
            self._tell("MESSAGE_REACTION_ADD", message, user, found)

    async def take_away(self, request: web.Request) -> web.Response:
        message = self._message(request)
        key, _ = reaction_of(request.match_info["emoji"], message.channel.guild)
        user: User | None = self._state.bot
        if "user" in request.match_info:
            self._state.require(message.channel, "MANAGE_MESSAGES")
            user = self._state.users.get(number(request, "user"))
        if user is None:
            raise ApiError(404, 10013, "Unknown User")
        self.remove(message, user, key)
        return no_content()

    def remove(self, message: Message, user: User, key: str) -> None:
        found = message.reactions.get(key)
        if found is None or user not in found.users:
            return
        found.users.remove(user)
        if not found.users:
            del message.reactions[key]
        self._tell("MESSAGE_REACTION_REMOVE", message, user, found)

    async def who(self, request: web.Request) -> web.Response:
        message = self._message(request)
        key, _ = reaction_of(request.match_info["emoji"], message.channel.guild)
        found = message.reactions.get(key)
        limit = limit_of(request, default=25)
        return reply([user.payload() for user in found.users[:limit]] if found else [])

    async def clear(self, request: web.Request) -> web.Response:
        message = self._message(request)
        self._state.require(message.channel, "MANAGE_MESSAGES")
        message.reactions.clear()
        self._dispatch("MESSAGE_REACTION_REMOVE_ALL", message, {})
        return no_content()

    def _message(self, request: web.Request) -> Message:
        channel = self._state.channel(number(request, "channel"))
        self._state.require(channel, "READ_MESSAGE_HISTORY")
        message = self._state.message(channel, number(request, "message"))
        if channel.archived and request.method != "GET":
            raise ApiError(400, 50083, "Thread is archived")
        return message

    def _tell(self, event: str, message: Message, user: User, reaction: Reaction) -> None:
        data: Payload = {"user_id": str(user.id), "emoji": reaction.emoji, "burst": False, "type": 0}
        guild = message.channel.guild
        if event.endswith("ADD"):
            data["message_author_id"] = str(message.author.id)
            if guild is not None and user.id in guild.members:
                data["member"] = guild.member_payload(user)
        self._dispatch(event, message, data)

    def _dispatch(self, event: str, message: Message, data: Payload) -> None:
        guild = message.channel.guild
        place = {"message_id": str(message.id), "channel_id": str(message.channel.id)}
        if guild is not None:
            place["guild_id"] = str(guild.id)
        intent = DIRECT_REACTIONS if guild is None else GUILD_REACTIONS
        self._state.tell_guild(event, message.channel, intent, data | place)
