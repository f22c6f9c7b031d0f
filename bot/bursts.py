"""What belongs together when people write in several goes: the rules, and what a running turn hears of them."""

from collections.abc import Awaitable, Callable, Sequence

import regex

from bot.chat import InboundMessage
from bot.storage.messages import StoredMessage
from bot.text import fold, is_blank

ALBUM_QUIET = 0.7
"""The parts of an album arrive one by one; so many seconds after the last one it is taken as whole."""
_QUIET = 0.25
"""What joins a running turn is taken in when nothing more came for so long: every new request is paid for."""
_LONGEST = 2.0
"""Who writes on and on is not waited for any longer."""

_MOST_CHARACTERS = 60
_MOST_WORDS = 2
_MOST_GREETING_WORDS = 8
_WORD = regex.compile(r"[\p{Latin}\p{M}]{1,12}")
_AROUND = regex.compile(r"^[\p{P}\p{S}\p{Cf}\uFE0F]+|[\p{P}\p{S}\p{Cf}\uFE0F]+$")
_MEANT = frozenset("?？؟❓❔⁉#@/&%$€₫")
"""Signs that ask or name something."""
# Without marks; each makes a question of a word or two, also without a question mark.
_ASKING_WORDS = """
khong ko k hong hok hk hem kg chua sao nao gi j dau may nhieu nhiu bn lau ai ha hu nhi
what when where which who why how much many available
"""
# What people say before they come to the point, without marks.
_GREETING_WORDS = """
alo aloo alooo allo hallo hello helo hi hii hey heyy good morning afternoon evening there
chao xin da vang shop sop ad admin ban anh chi em minh bac co chu oi a ak ah nha nhe ne
cho hoi xiu ti chut voi muon can tu van giup
"""
_ASKING = frozenset(_ASKING_WORDS.split())
_GREETING = frozenset(_GREETING_WORDS.split())


def is_beginning(text: str) -> bool:
    """Whether a text is only the beginning of what somebody wants to say: a bare greeting, or a word or two that
    ask nothing. Vietnamese counts with and without its marks.

    A number, a question mark, an address or a sign with a meaning make it more than that; so does every script
    but Latin: in others a word may be a sentence.
    """
    if len(text) > _MOST_CHARACTERS or is_blank(text) or not _MEANT.isdisjoint(text):
        return False
    words = [word for token in text.casefold().split() if (word := _AROUND.sub("", token))]
    if not all(map(_WORD.fullmatch, words)):
        return False
    folded = {fold(word) for word in words}
    if len(words) <= _MOST_WORDS:
        return folded.isdisjoint(_ASKING) and "à" not in words
    return len(words) <= _MOST_GREETING_WORDS and folded <= _GREETING


def has_asking_word(text: str) -> bool:
    """Whether a word or a sign in it makes a question, as short as it may be: `bao lâu`, `giá?`."""
    words = {fold(_AROUND.sub("", token)) for token in text.casefold().split()}
    return not _MEANT.isdisjoint(text) or not words.isdisjoint(_ASKING)


def begins_only(messages: Sequence[StoredMessage]) -> bool:
    """Whether all of these messages together are no more than a beginning."""
    return all(_is_beginning(stored.message) and not stored.is_correction for stored in messages)


def _is_beginning(message: InboundMessage) -> bool:
    is_bare = not (message.command or message.deleted or message.attachments or message.quoted)
    return is_bare and is_beginning(message.text)


def before_start_afresh(waiting: Sequence[StoredMessage]) -> tuple[StoredMessage, ...]:
    """The messages that a later start afresh has made pointless: nobody waits for their answer any more."""
    afresh = [position for position, stored in enumerate(waiting) if stored.message.command == "new"]
    return tuple(waiting[: afresh[-1]]) if afresh else ()


def first_turn(waiting: Sequence[StoredMessage]) -> tuple[StoredMessage, ...]:
    """The messages that are answered together: all in a row up to the next command or deletion, or one of these."""
    if waiting[0].message.command or waiting[0].message.deleted:
        return (waiting[0],)
    turn: list[StoredMessage] = []
    for stored in waiting:
        message = stored.message
        if message.command or message.deleted or message.role != waiting[0].message.role:
            break
        turn.append(stored)
    return tuple(turn)


Hear = Callable[[InboundMessage | None], None]
"""Is told what came in: a message, the newest text of one, or None when all that is known is that something did."""


class Arrivals:
    """What comes in while one turn is being answered: the inbox tells of it, and who answers takes it in.

    `read` gives all that waits in the conversation, oldest first. `missed`: something came between the reading of
    `messages` and now. `burst_wait`: seconds that a mere beginning is waited for. A message that does not belong
    to the turn (a command, another role, whatever stands behind these) is not heard of.
    """

    def __init__(
        self,
        messages: Sequence[StoredMessage],
        *,
        read: Callable[[], Awaitable[Sequence[StoredMessage]]],
        missed: bool,
        burst_wait: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.messages = tuple(messages)
        self._read = read
        self._missed = missed
        self._burst_wait = burst_wait
        self._clock = clock
        self._sleep = sleep
        self._told_at = clock()
        self._has_album = False
        self._is_beginning = begins_only(messages)
        self._is_closed = False
        self._hear: Hear | None = None

    def listen(self, hear: Hear) -> None:
        """From now on `hear` is called with everything that comes in and belongs to this turn."""
        self._hear = hear
        if self._missed:
            hear(None)

    def tell(self, inbox_id: int, message: InboundMessage) -> None:
        """A message is stored, or has a newer text."""
        known = next((stored for stored in self.messages if stored.id == inbox_id), None)
        if known is not None and known.message.text == message.text:
            return  # it was read before its turn came to be told
        if known is None:
            other = message.command or message.deleted or message.role != self.messages[0].message.role
            self._is_closed = self._is_closed or bool(other)
            if self._is_closed:
                return
        self._told_at = self._clock()
        self._has_album = self._has_album or message.album_id is not None
        self._is_beginning = self._is_beginning and _is_beginning(message)
        if self._hear is not None:
            self._hear(message)

    async def quiet(self) -> None:
        """Wait until nothing more came for a moment."""
        latest = self._clock() + max(_LONGEST, self._pause())
        while (left := min(self._told_at + self._pause(), latest) - self._clock()) > 0:
            await self._sleep(left)

    async def take(self) -> tuple[StoredMessage, ...]:
        """The turn as it is in storage now: with the newest texts, and with what came behind it. Raises
        `StorageError`."""
        waiting = await self._read()
        self.messages = first_turn(waiting)
        self._is_closed = self._is_closed or len(self.messages) < len(waiting)
        return self.messages

    def _pause(self) -> float:
        return max(_QUIET, ALBUM_QUIET * self._has_album, self._burst_wait * self._is_beginning)
