"""The live conversations of all visitors of the page: those at work stay, idle ones are forgotten."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator

from adapters.web.conversation import Conversation, Feed


class Conversations:
    """All that are live, the least recently touched first; idle ones are forgotten a few at a time."""

    def __init__(self, *, clock: Callable[[], float], limit: int = 20_000, idle: float = 120.0) -> None:
        self._clock = clock
        self._limit = limit
        self._idle = idle
        self._numbers = itertools.count(1)
        self._live: OrderedDict[str, Conversation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def get(self, chat_id: str) -> Conversation:
        """The conversation, made when it is not there; it counts as touched now."""
        now = self._clock()
        conversation = self._live.get(chat_id)
        if conversation is None:
            self._forget(now)
            conversation = self._live[chat_id] = Conversation(self._numbers, now=now)
        conversation.touched = now
        self._live.move_to_end(chat_id)
        return conversation

    def feeds(self) -> Iterator[Feed]:
        """Every open stream."""
        return itertools.chain.from_iterable(list(each.feeds) for each in list(self._live.values()))

    def _forget(self, now: float) -> None:
        for chat_id, conversation in list(itertools.islice(self._live.items(), 8)):
            idle = now - conversation.touched
            if idle < self._idle and len(self._live) < self._limit:
                return
            # What grows for an hour without a change belongs to a turn that died.
            if not conversation.feeds and (not conversation.at_work or idle > 3600):
                del self._live[chat_id]
            else:
                self._live.move_to_end(chat_id)
