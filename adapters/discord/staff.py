"""Who counts as staff: decided by ids alone, never by a name or a text."""

import time
from collections import OrderedDict
from collections.abc import Callable

import discord

from bot.errors import Unavailable


class Staff:
    """Staff are the members with `role_id`; without one, the administrators of the bot's only server.

    Anybody can invite a public bot to a server of his own and is an administrator there, so without a role
    nobody is staff while the bot is in several servers.
    """

    def __init__(
        self,
        *,
        role_id: int | None,
        remembered_for: float = 300.0,
        refused_for: float = 60.0,
        capacity: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._role_id = role_id
        self._remembered_for = remembered_for
        self._refused_for = refused_for
        self._capacity = capacity
        self._clock = clock
        self._known: OrderedDict[int, tuple[bool, float]] = OrderedDict()

    def is_member(self, client: discord.Client, person: discord.abc.User) -> bool:
        """Whether the author of something in a server is staff, as that very event says."""
        if not isinstance(person, discord.Member):
            return False
        if self._role_id is not None:
            return person.get_role(self._role_id) is not None
        return not self.has_nobody(client) and person.guild_permissions.administrator

    def has_nobody(self, client: discord.Client) -> bool:
        """Whether nobody can be staff as things are set."""
        return self._role_id is None and len(client.guilds) != 1

    def known(self, user_id: int) -> bool | None:
        """What was found out of somebody not long ago; None: Discord must be asked."""
        found = self._known.get(user_id)
        return found[0] if found is not None and found[1] > self._clock() else None

    async def is_user(self, client: discord.Client, user_id: int) -> bool:
        """Whether somebody who writes in private is staff in a server of the bot.

        The answer is remembered for `remembered_for` seconds, a refusal for `refused_for`. Raises what
        discord.py raises when Discord cannot be asked, and `Unavailable` while a server is not there yet.
        """
        known = self._known.get(user_id)
        if known is None or known[1] <= self._clock():
            staff = await self._ask(client, user_id)
            known = (staff, self._clock() + (self._remembered_for if staff else self._refused_for))
            self._known[user_id] = known
            self._known.move_to_end(user_id)
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        return known[0]

    async def _ask(self, client: discord.Client, user_id: int) -> bool:
        for guild in client.guilds:
            if guild.unavailable or (self._role_id is not None and guild.get_role(self._role_id) is None):
                continue
            try:
                member = await guild.fetch_member(user_id)
            except discord.NotFound:
                continue
            if self.is_member(client, member):
                return True
        if any(guild.unavailable for guild in client.guilds):
            raise Unavailable("Discord has not sent all servers of the bot yet.", maybe_applied=False)
        return False
