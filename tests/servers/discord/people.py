"""The people on the loopback Discord: what a member of a guild does with keyboard and mouse."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.servers.discord.messages import Message
from tests.servers.discord.state import Interaction
from tests.servers.discord.world import Channel, Guild, Payload, User, now

if TYPE_CHECKING:
    from tests.servers.discord.server import DiscordServer


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
    ) -> Message:
        """Write into a channel, as a reply if `reply_to` is given (which notifies its author if `ping`)."""
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
            attachments=list(attachments),
        )

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

    def command(self, channel: Channel, name: str, *, locale: str = "en-US", **options: str) -> Interaction:
        """Use a slash command with text options."""
        given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
        return self._server.interact(channel, self.user, name, given, locale)

    def edit(self, message: Message, text: str) -> None:
        """Change what one wrote before."""
        assert message.author is self.user
        self._state.change(message, text)

    def delete(self, message: Message) -> None:
        self._state.remove(message)

    def unfurl(self, message: Message) -> None:
        """Let Discord add a link preview: an update of the message that is no edit by its author."""
        self._state.tell("MESSAGE_UPDATE", message)
