"""A strict Discord on loopback for tests and for trying the bot by hand, with no account anywhere."""

from tests.servers.discord.messages import Message
from tests.servers.discord.people import Member
from tests.servers.discord.server import Call, DiscordServer
from tests.servers.discord.state import Interaction
from tests.servers.discord.world import FORUM, TEXT, Channel, Guild, Role, User

__all__ = [
    "FORUM",
    "TEXT",
    "Call",
    "Channel",
    "DiscordServer",
    "Guild",
    "Interaction",
    "Member",
    "Message",
    "Role",
    "User",
]
