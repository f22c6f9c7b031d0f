"""Which albums in groups are for the bot: the words that say so are in one part, the other parts have none."""

from collections import OrderedDict
from collections.abc import Mapping

from bot.chat import InboundMessage


class Albums:
    """The newest `capacity` albums of which a part was for the bot, in memory."""

    def __init__(self, *, capacity: int = 1000) -> None:
        self._capacity = capacity
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def note(self, message: InboundMessage) -> None:
        """This message was for the bot; with it the whole album that it belongs to."""
        if message.album_id is None or message.command is not None:
            return
        album = (message.address.chat_id, message.album_id)
        self._known[album] = None
        self._known.move_to_end(album)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def include(self, message: object) -> bool:
        """Whether this message, as it came, is a part of an album that is for the bot."""
        chat = message.get("chat") if isinstance(message, Mapping) else None
        album = message.get("media_group_id") if isinstance(message, Mapping) else None
        return isinstance(album, str) and isinstance(chat, Mapping) and (str(chat.get("id")), album) in self._known
