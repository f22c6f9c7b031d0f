"""What was written while nobody listened: read back from Discord's history when a session begins.

A session that is resumed needs none of this: Discord sends what it missed. Three things are not found: a
slash command, which must be answered within seconds; what somebody writes in private who was never heard
there before, since Discord lists no direct conversations; and a closed thread in which nothing was heard before,
opened and closed again while nobody listened. Edits and deletions of messages that were stored before are
looked for in the posts of the staff's desk only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

import discord
from discord.abc import Messageable

from adapters.discord.calls import Calls
from adapters.discord.deliveries import Deliveries
from adapters.discord.places import Places
from adapters.discord.reading import DIRECT, place_of
from bot.errors import PlatformError, RateLimited, RecipientGone

log = logging.getLogger(__name__)

Place = TypeVar("Place", bound=discord.abc.Snowflake)


class HandOn(Protocol):
    """Does with a message from the history what is done with one that comes in, or was `edited`."""

    async def __call__(self, client: discord.Client, message: discord.Message, *, edited: bool = False) -> None: ...


Compare = Callable[[int, Sequence[int], int, int], Awaitable[None]]
"""Is given the messages of a post that are still there, from one on and up to another."""

OLDEST = timedelta(hours=24)
"""What is older is not read back; Telegram keeps what was missed for as long."""
MOST_MESSAGES = 1000
"""In one place."""
_PAGE = 100
_MOST_CHANNELS = 200
_MOST_DIRECT = 100
_MOST_POSTS = 50
_LOOKED_AT = 50
_MOST_CLOSED_THREADS = 20
_AT_ONCE = 3
_LONGEST_PAUSE = 30.0
_SERVER = "server:"
_UNKNOWN_CHANNEL = 10003


class Missed:
    """Keeps `places` up to date, and asks for what is behind them. Live messages of a place wait for that.

    A server has a mark of its own: for channels in which nothing was heard yet.
    """

    def __init__(
        self,
        hand_on: HandOn,
        *,
        places: Places,
        deliveries: Deliveries,
        calls: Calls,
        pauses: Sequence[float],
        is_post: Callable[[object], bool],
        compare: Compare,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._hand_on = hand_on
        self._places = places
        self._deliveries = deliveries
        self._calls = calls
        self._pauses = pauses
        self._is_post = is_post
        self._compare = compare
        self._now = now
        self._few = asyncio.Semaphore(_AT_ONCE)
        self._looked_at: set[int] = set()
        self._asked: set[int] = set()
        self._not_taken: set[int] = set()
        self._not_found_out: set[str] = set()
        self._behind: dict[int, Callable[[], bool]] = {}

    def begin_session(self, client: discord.Client) -> None:
        """Discord repeats nothing of what came before this session."""
        self._looked_at.clear()
        self._asked.clear()
        self._not_taken.clear()
        self._not_found_out.clear()
        for place in self._places.newest(_MOST_DIRECT, prefix=DIRECT):
            self._ask(client, place)

    def server_is_here(self, client: discord.Client, guild: discord.Guild) -> None:
        """Discord has told which channels there are in a server, and which message is the newest in each."""
        self._looked_at.add(guild.id)
        channels = [one for one in (*guild.channels, *guild.threads) if isinstance(one, Messageable)]
        newest = {one: getattr(one, "last_message_id", None) or 0 for one in channels}
        if self._places.mark(_server(guild)) is not None:
            behind = [one for one in channels if newest[one] > (self._mark(one, guild) or 0) and _is_visible(one)]
            behind.sort(key=newest.__getitem__, reverse=True)
            behind += self._posts_to_look_at([one for one in channels if one not in behind], newest)
            if len(behind) > _MOST_CHANNELS:
                log.warning("Server %s: only %s of %s channels are read back", guild.id, _MOST_CHANNELS, len(behind))
            for channel in behind[:_MOST_CHANNELS]:
                # From now on it has a mark of its own: that of the server moves on.
                self._places.reached(place_of(channel), self._mark(channel, guild) or 0)
                self._ask(client, place_of(channel), channel)
        # In a server that is new to us nothing before this moment was meant for us.
        self._places.reached(_server(guild), max([guild.id, *newest.values()]))
        # Whether somebody who writes in private is staff could not be said before all servers were here.
        for place in self._not_found_out.copy():
            self._not_found_out.discard(place)
            self._asked.discard(_id(place))
            self._ask(client, place)

    def _posts_to_look_at(self, channels: Sequence[Place], newest: Mapping[Place, int]) -> list[Place]:
        """Posts without a new message, in which an earlier one may have been edited."""
        since = discord.utils.time_snowflake(self._now() - OLDEST)
        posts = [one for one in channels if newest[one] > since and self._is_post(one)]
        posts = [one for one in posts if self._places.mark(place_of(one)) is not None]
        return sorted(posts, key=newest.__getitem__, reverse=True)[:_MOST_POSTS]

    def all_are_here(self, client: discord.Client) -> None:
        """All servers have been told of: what is in none of their lists may be a thread that was closed meanwhile."""
        places = [place for place in self._places.newest(10 * _MOST_CLOSED_THREADS) if place.isdecimal()]
        unknown = [place for place in places if client.get_channel(int(place)) is None]
        for place in unknown[:_MOST_CLOSED_THREADS]:
            self._ask(client, place)

    def comes(self, client: discord.Client, message: discord.Message) -> None:
        """A live message is about to be handed on; what was missed before it in its channel comes first."""
        guild, place = message.guild, place_of(message.channel)
        if guild is None:
            return
        if guild.id in self._looked_at:
            if self._places.mark(place) is None:
                self._places.reached(place, message.id - 1)
            self._places.reached(_server(guild), message.id)
        elif (mark := self._mark(message.channel, guild)) is not None:
            self._places.reached(place, mark)
            self._ask(client, place, message.channel)
        else:
            self._asked.add(message.channel.id)
            self._places.reached(place, message.id - 1)

    def passes(self, message: discord.Message) -> None:
        """A live message is not for the bot."""
        guild, place = message.guild, place_of(message.channel)
        if guild is None:
            known = place.startswith(DIRECT) and self._places.mark(place) is not None
        elif known := guild.id in self._looked_at:
            self._places.reached(_server(guild), message.id)
        channel_id = message.channel.id
        waits = self._deliveries.is_busy(channel_id) or channel_id in self._not_taken or self.is_behind(channel_id)
        if known and not waits:
            self._places.reached(place, message.id)

    def is_done(self, message: discord.Message) -> None:
        """A message was taken, or its writer may not ask. Strangers who write in private are not kept."""
        self._not_taken.discard(message.channel.id)
        if self._places.mark(place_of(message.channel)) is not None:
            self._places.reached(place_of(message.channel), message.id)

    def stays_behind(self, message: discord.Message) -> None:
        """A message was not taken: it is found again by the next session, unless a later one is taken before."""
        self._not_taken.add(message.channel.id)

    def falls_behind(self, client: discord.Client, message: discord.Message) -> None:
        """There is no room for a live message: its channel is read back when there is."""
        channel = message.channel
        log.warning("Channel %s is read later: too many messages wait already", channel.id)
        place, after = place_of(channel), message.id - 1
        self._behind[channel.id] = lambda: self._add(client, place, channel, after)

    def is_behind(self, channel_id: int) -> bool:
        """Whether nothing is to be added for this channel: it is read back anyway."""
        return channel_id in self._behind

    def there_is_room(self) -> None:
        """Ask for what there was no room for."""
        for channel_id, ask in list(self._behind.items()):
            if not ask():
                return
            del self._behind[channel_id]

    def _mark(self, channel: discord.abc.Snowflake, guild: discord.Guild) -> int | None:
        own = self._places.mark(place_of(channel))
        return self._places.mark(_server(guild)) if own is None else own

    def _ask(self, client: discord.Client, place: str, channel: discord.abc.Snowflake | None = None) -> None:
        """Read a place back, once in a session, before anything that comes in there from now on."""
        channel_id = _id(place)
        if channel_id not in self._asked:
            self._asked.add(channel_id)
            if not self._add(client, place, channel, self._places.mark(place) or 0):
                self._behind[channel_id] = partial(self._add, client, place, channel, 0)

    def _add(self, client: discord.Client, place: str, channel: discord.abc.Snowflake | None, after: int) -> bool:
        return self._deliveries.add(_id(place), partial(self._read_back, client, place, channel, after))

    async def _read_back(
        self, client: discord.Client, place: str, channel: discord.abc.Snowflake | None, after: int
    ) -> None:
        """Read a place to its end, again after each of the pauses when that fails."""
        async with self._few:
            for pause in (*self._pauses, None):
                try:
                    await self._read(client, place, channel, after)
                    return
                except RecipientGone as exc:
                    cause = exc.__cause__
                    if isinstance(cause, discord.HTTPException) and cause.code == _UNKNOWN_CHANNEL:
                        self._places.forget(place)
                    return
                except PlatformError as exc:
                    if pause is None:
                        log.warning("What was missed in channel %s was not found out: %s", _id(place), exc)
                        self._not_found_out.add(place)
                        self._not_taken.add(_id(place))
                        return
                    asked = exc.retry_after if isinstance(exc, RateLimited) else 0.0
                    await asyncio.sleep(max(pause, min(asked, _LONGEST_PAUSE)))

    async def _read(
        self, client: discord.Client, place: str, channel: discord.abc.Snowflake | None, after: int
    ) -> None:
        where = f"channel {_id(place)}"
        channel = channel or await self._calls.make(client.fetch_channel(_id(place)), where)
        if not isinstance(channel, Messageable) or not _may_be_read(channel):
            return
        oldest = discord.utils.time_snowflake(self._now() - OLDEST)
        after = max(after, self._places.mark(place) or 0, oldest)
        if self._is_post(channel):
            await self._look_behind(client, channel, after)
        last = getattr(channel, "last_message_id", None) or 0
        for _ in range(MOST_MESSAGES // _PAGE):
            page = await self._calls.make(_page(channel, after), where)
            for message in page:
                await self._hand_on(client, message)
                after = message.id
                self._read_to(place, after)
            if len(page) < _PAGE:
                self._read_to(place, last)  # it may have been deleted
                return
        log.warning("Channel %s: only the first %s messages that were missed are read", _id(place), MOST_MESSAGES)

    async def _look_behind(self, client: discord.Client, channel: Messageable, before: int) -> None:
        """The newest messages up to this one: some may have been changed or deleted meanwhile."""

        async def page() -> list[discord.Message]:
            return [message async for message in channel.history(limit=_LOOKED_AT, before=discord.Object(before + 1))]

        there = await self._calls.make(page(), "a post of the desk")
        since = self._now() - OLDEST
        for message in reversed(there):
            if message.edited_at is not None and message.edited_at > since:
                await self._hand_on(client, message, edited=True)
        oldest = there[-1].id if len(there) == _LOOKED_AT else 0
        await self._compare(getattr(channel, "id", 0), [message.id for message in there], oldest, before)

    def _read_to(self, place: str, message_id: int) -> None:
        if _id(place) not in self._not_taken and self._places.mark(place) is not None:
            self._places.reached(place, message_id)


async def _page(channel: Messageable, after: int) -> list[discord.Message]:
    """The next messages after this id, oldest first."""
    history = channel.history(limit=_PAGE, after=discord.Object(after), oldest_first=True)
    return [message async for message in history]


def _is_visible(channel: Messageable) -> bool:
    permissions = _permissions(channel)
    if permissions is None:
        return True
    spoken = isinstance(channel, discord.VoiceChannel | discord.StageChannel)
    return permissions.view_channel and (permissions.connect or not spoken)


def _may_be_read(channel: Messageable) -> bool:
    """Whether the bot has the right to. Without it Discord gives an empty history and no error."""
    permissions = _permissions(channel)
    if permissions is None or permissions.read_message_history:
        return True
    log.warning(
        "Discord, channel %s: what was written while the bot was away is not read, give the bot "
        "Read Message History (in the channel's settings, under Permissions).",
        getattr(channel, "id", "?"),
    )
    return False


def _permissions(channel: Messageable) -> discord.Permissions | None:
    """What the bot may do there; None: that is not known."""
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread) or channel.guild.me is None:
        return None
    try:
        return channel.permissions_for(channel.guild.me)
    except discord.ClientException:  # a thread whose channel is not known
        return None


def _server(guild: discord.Guild) -> str:
    return f"{_SERVER}{guild.id}"


def _id(place: str) -> int:
    return int(place.removeprefix(DIRECT))
