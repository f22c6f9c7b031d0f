"""One message of a reply in the chat: what names it, what it shows, and the keys that it is sent with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.chat import MessageRef, OutboundMessage


@dataclass(slots=True)
class Slot:
    """One message in the chat. What it shows is not known (`shown` is None) after an ambiguous failure."""

    ref: MessageRef | None = None
    shown: OutboundMessage | None = None
    keys: int = 0
    """How many keys were used up by messages that are gone."""
    attempts: set[str] = field(default_factory=set)
    """Texts of sends that failed and may be what a send under the same key finds to be there."""
    plain: bool = False
    given_up: bool = False
    vanished: bool = False
    """What it shows does not last, and must be shown again."""

    @property
    def lasts(self) -> bool:
        """Whether there is a message that stays."""
        return self.ref is not None and self.ref.lasts is None

    def shows(self, message: OutboundMessage, marks_growing: bool) -> bool:
        """Whether this is what it shows already."""
        shown = self.shown
        if self.ref is None or shown is None or self.vanished:
            return False
        if (marks_growing or not self.lasts) and shown.growing != message.growing:
            return False
        return (shown.text, shown.sources, shown.offers_person) == (
            message.text,
            message.sources,
            message.offers_person,
        )

    def key(self, reply_key: str, part: int) -> str:
        """The key to send it with, as part number `part` (from 0) of a reply."""
        key = reply_key if part == 0 else f"{reply_key}/{part}"
        return f"{key}~{self.keys}" if self.keys else key


def adopted(reply_key: str, sent: Mapping[str, MessageRef]) -> list[Slot]:
    """The messages that a reply has from before a crash, by the keys they were sent with: the last of each part."""
    slots: list[Slot] = []
    while True:
        slot = Slot()
        while ref := sent.get(slot.key(reply_key, len(slots))):
            slot.ref = ref
            slot.keys += 1
        if slot.ref is None:
            return slots
        slot.keys -= 1
        slots.append(slot)


def last_of(reply_key: str, sent: Mapping[str, MessageRef]) -> tuple[str, MessageRef] | None:
    """The last message that a reply has from before a crash, with its key; None when it has none."""
    slots = adopted(reply_key, sent)
    if not slots or (ref := slots[-1].ref) is None:
        return None
    return slots[-1].key(reply_key, len(slots) - 1), ref
