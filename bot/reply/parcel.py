"""Files on their way to one address, each in a message of its own, one after the other."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bot.chat import Address, CallKind, MessageRef, OutboundMessage, ReplyCall
from bot.errors import MessageRefused, PlatformError, RecipientGone


class Parcel:
    """What the scheduler needs of a reply, for messages that are whole from the beginning and never edited.

    `sent` are those that are there from before a crash, by the keys they were sent with. One that the platform
    refuses is left out (`refused`).
    """

    def __init__(
        self,
        *,
        to: Address,
        key: str,
        messages: Sequence[OutboundMessage],
        sent: Mapping[str, MessageRef] = MappingProxyType({}),
    ) -> None:
        self.to = to
        self._messages = {f"{key}/f{number}": message for number, message in enumerate(messages)}
        self.places: dict[int, MessageRef] = {
            number: sent[name] for number, name in enumerate(self._messages) if name in sent
        }
        """Number of a message → where it is."""
        self.refused: set[int] = set()
        self.ended = True
        self.gone = False
        self.gain = 0
        self.first_visible_at: float | None = None
        self._in_flight: ReplyCall | None = None

    @property
    def done(self) -> bool:
        """Whether all are sent or refused."""
        return len(self.places) + len(self.refused) >= len(self._messages)

    @property
    def refs(self) -> tuple[MessageRef, ...]:
        """The messages that were sent, in order."""
        return tuple(ref for _, ref in sorted(self.places.items()))

    def next_kind(self) -> CallKind | None:
        """See `StreamedReply.next_kind`."""
        return None if self.done else "final"

    def take(self, *, in_doubt: bool = False) -> ReplyCall | None:
        """The next message. A file has no beginning that could be sent first."""
        if self._in_flight is not None:
            return None
        for number, (key, message) in enumerate(self._messages.items()):
            if number not in self.places and number not in self.refused:
                self._in_flight = ReplyCall(number, "final", message, key)
                return self._in_flight
        return None

    def sent(self, call: ReplyCall, ref: MessageRef, *, at: float) -> None:
        """`call` has put its message there."""
        self._in_flight = None
        self.places[call.part] = ref
        self.first_visible_at = self.first_visible_at or at

    def edited(self, call: ReplyCall, ref: MessageRef, *, at: float) -> None:
        """Never happens: nothing is edited."""

    def failed(self, call: ReplyCall, error: PlatformError) -> None:
        """`call` failed; it is made again unless that changes nothing."""
        self._in_flight = None
        if isinstance(error, RecipientGone):
            self.gone = True
        elif isinstance(error, MessageRefused):
            self.refused.add(call.part)

    def vanished(self) -> None:
        """Nothing of it vanishes."""
