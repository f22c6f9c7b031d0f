"""What was heard lately: so that an edit is known as one, and nothing is handed on twice."""

from collections import OrderedDict

import discord


class Heard:
    """The newest `capacity` messages, in memory."""

    def __init__(self, *, capacity: int = 1000) -> None:
        self._capacity = capacity
        self._texts: OrderedDict[int, str] = OrderedDict()

    def knows(self, message_id: int) -> bool:
        """Whether this message was handed on."""
        return message_id in self._texts

    def is_new(self, message: discord.Message) -> bool:
        """Whether this message, or these words of it, were not handed on yet."""
        return self._texts.get(message.id) != message.content

    def note(self, message: discord.Message) -> str | None:
        """The message is being handed on; the words of it that were handed on before, for `forget`."""
        before = self._texts.get(message.id)
        self._texts[message.id] = message.content
        if len(self._texts) > self._capacity:
            self._texts.popitem(last=False)
        return before

    def forget(self, message: discord.Message, before: str | None) -> None:
        """The message was not taken: it is new when it comes again."""
        if before is None:
            self._texts.pop(message.id, None)
        else:
            self._texts[message.id] = before
