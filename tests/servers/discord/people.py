"""The people on the loopback Discord: what a member of a guild does with keyboard and mouse."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.servers.discord.emoji import reaction_of
from tests.servers.discord.messages import Message
from tests.servers.discord.state import Interaction
from tests.servers.discord.world import (
    PERMISSIONS,
    PINNED,
    PUBLIC_THREAD,
    THREADS,
    Channel,
    Guild,
    Payload,
    Role,
    User,
    now,
)

if TYPE_CHECKING:
    from tests.servers.discord.server import DiscordServer

File = tuple[str, bytes, str]
"""A name, the bytes, and their media type."""


class Member:
    """A person. Everything takes effect at once; what the bot does about it is waited for on the server."""

    def __init__(self, server: "DiscordServer", user: User, guild: Guild) -> None:
        self.user = user
        self.guild = guild
        self._server = server
        self._state = server.state

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def direct(self) -> Channel:
        """The direct conversation with the bot."""
        return self._state.direct_channel(self.user)

    def write(
        self,
        channel: Channel,
        text: str,
        *,
        mention_bot: bool = True,
        reply_to: Message | None = None,
        ping: bool = False,
        attachments: Sequence[Payload] = (),
        files: Sequence[File] = (),
    ) -> Message:
        """Write into a channel, as a reply if `reply_to` is given (which notifies its author if `ping`).

        A thread that was put away is active again; one that is locked takes words only from moderators.
        """
        if channel.locked and not self._may("MANAGE_THREADS"):
            raise PermissionError("the thread is locked")
        self._state.bring_back(channel)
        content = f"<@{self._state.bot.id}> {text}" if mention_bot else text
        reference = None
        if reply_to is not None:
            reference = {"type": 0, "message_id": str(reply_to.id), "channel_id": str(channel.id)}
        return self._state.post(
            channel,
            self.user,
            content,
            replied_to=reply_to,
            reference=reference,
            allowed_mentions={"parse": ["users", "roles", "everyone"], "replied_user": ping},
            attachments=[*attachments, *(self._server.host_file(*file) for file in files)],
        )

    def _may(self, permission: str) -> bool:
        granted = self.guild.permissions_of(self.user.id)
        return bool(granted & (PERMISSIONS[permission] | PERMISSIONS["ADMINISTRATOR"]))

    def dm(self, text: str, *, attachments: Sequence[Payload] = (), forwarded: str | None = None) -> Message:
        """Write to the bot in private; `forwarded` is the text of a message that is forwarded to it."""
        snapshots: list[Payload] = []
        if forwarded is not None:
            stamp = now().isoformat()
            inner: Payload = {"type": 0, "content": forwarded, "mentions": [], "mention_roles": [], "attachments": []}
            inner |= {"embeds": [], "timestamp": stamp, "edited_timestamp": None, "flags": 0, "components": []}
            snapshots = [{"message": inner}]
        return self._state.post(self.direct, self.user, text, attachments=list(attachments), snapshots=snapshots)

    def ask(self, channel: Channel, question: str, *, locale: str = "en-US") -> Interaction:
        """Use `/ask`."""
        return self.command(channel, "ask", locale=locale, question=question)

    def command(self, channel: Channel, name: str, *, locale: str = "en-US", **options: Any) -> Interaction:
        """Use a slash command; options are texts, numbers, booleans, members, channels, roles, or hosted files.

        A command inside another one is named with both words: `"case take"`.
        """
        return self._server.clicks.command(channel, self.user, name, _plain(options), locale, None)

    def complete(
        self, channel: Channel, name: str, option: str, text: str, *, locale: str = "en-US", **others: Any
    ) -> Interaction:
        """Type the beginning of an option; what is offered comes to `Interaction.choices`."""
        options = _plain(others) | {option: text}
        return self._server.clicks.command(channel, self.user, name, options, locale, option)

    def press(self, message: Message, custom_id: str) -> Interaction:
        """Press a button under a message."""
        return self._server.clicks.press(message, self.user, custom_id)

    def choose(self, message: Message, custom_id: str, *values: "str | Member") -> Interaction:
        """Choose in a menu under a message."""
        chosen = [value.user if isinstance(value, Member) else value for value in values]
        return self._server.clicks.choose(message, self.user, custom_id, chosen)

    def submit(self, opened: Interaction, **values: Any) -> Interaction:
        """Send the form with which an interaction was answered; `values` by the names of its fields."""
        return self._server.clicks.submit(opened, _plain(values))

    def edit(self, message: Message, text: str, *, attachments: Sequence[Payload] | None = None) -> None:
        """Change what one wrote before; with `attachments` only these of its files stay."""
        assert message.author is self.user
        _require_active(message.channel)
        kept = message.attachments if attachments is None else list(attachments)
        self._state.change(message, text, attachments=kept)

    def delete(self, message: Message) -> None:
        self._state.remove(message)

    def react(self, message: Message, emoji: str) -> None:
        """Put an emoji under a message: a character, or `name:id`."""
        _require_active(message.channel)
        key, reaction = reaction_of(emoji, message.channel.guild)
        self._server.reactions.add(message, self.user, key, reaction)

    def remove(self, message: Message, emoji: str) -> None:
        """Take one's emoji away."""
        _require_active(message.channel)
        key, _ = reaction_of(emoji, message.channel.guild)
        self._server.reactions.remove(message, self.user, key)

    def pin(self, message: Message) -> Message:
        """Pin a message; Discord writes a message about that in the name of the person."""
        reference = {"type": 0, "message_id": str(message.id), "channel_id": str(message.channel.id)}
        return self._state.post(message.channel, self.user, "", kind=PINNED, reference=reference)

    def rename(self, thread: Channel, name: str) -> None:
        """Give a thread or post another name; Discord writes a message about that too."""
        assert thread.kind in THREADS
        self._state.change_thread(thread, by=self.user, name=name)

    def open_post(self, forum: Channel, name: str, text: str) -> Message:
        """Begin a post in a forum; gives its first message."""
        post = self._state.new_channel(
            PUBLIC_THREAD, name=name, guild=forum.guild, parent_id=forum.id, owner_id=self.user.id
        )
        self._state.announce("THREAD_CREATE", post)
        return self._state.post(post, self.user, text, id=post.id)

    def give(self, role: Role) -> None:
        """Have this role from now on."""
        self.guild.member_roles[self.user.id].append(role.id)

    def lose(self, role: Role) -> None:
        self.guild.member_roles[self.user.id].remove(role.id)

    def unfurl(self, message: Message) -> None:
        """Let Discord add a link preview: an update of the message that is no edit by its author."""
        self._state.tell("MESSAGE_UPDATE", message)


def _require_active(channel: Channel) -> None:
    """In a thread that was put away nothing can be changed, only deleted."""
    if channel.archived:
        raise PermissionError("the thread is archived")


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """With users in place of members, as Discord knows them."""
    return {name: _user(value) for name, value in options.items()}


def _user(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_user(one) for one in value]
    return value.user if isinstance(value, Member) else value
