"""`StreamedReply`: one growing answer, and what each of its messages should show now."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import regex

from bot.chat import Address, CallKind, MessageRef, OutboundMessage, ReplyCall, Source
from bot.errors import MessageGone, MessageRefused, PlatformError, RecipientGone, Unavailable
from bot.reply.blocks import without_tabs
from bot.reply.growing import visible
from bot.reply.mark import with_mark
from bot.reply.parts import Parts, is_bare, spread
from bot.reply.plain import plain
from bot.reply.references import References
from bot.reply.slot import Slot, adopted

# A text of fewer units that is refused even in its plain form is not refused for its length.
_SMALLEST = 128
# Of a message that may show twice, so many characters are sent first.
_BEGINNING = 48
_PAIRED = regex.compile(r"[\[\]`<|&]")
_HALVES = regex.compile("[\ud800-\udfff]")


class StreamedReply:
    """One answer on its way to one address. The engine feeds it, the scheduler asks it for calls.

    `max_units` and `measure` are the platform's (`limits.max_units`, `ChatPlatform.measure`). `marks_growing`
    is `limits.marks_growing`. `growing_mark` stands behind the text while it grows. `sent` are the messages
    that this reply has from before a crash, by the keys they were sent with: the answer goes on in them.
    Nothing here waits, and `append` is cheap: text is worked on in `take` only.
    """

    def __init__(
        self,
        *,
        to: Address,
        key: str,
        reply_to: str | None,
        max_units: int,
        measure: Callable[[str], int],
        marks_growing: bool = False,
        growing_mark: str = "",
        sent: Mapping[str, MessageRef] = MappingProxyType({}),
    ) -> None:
        self.to = to
        self.key = key
        self._reply_to = reply_to
        self._max_units = max_units
        self._measure = measure
        self._marks_growing = marks_growing
        self._growing_mark = growing_mark
        self._preface = ""
        self._pieces: list[str] = []
        self._half = ""
        self._length = 0
        self._has_words = False
        self._sentence = ""
        self._parts = Parts(max_units=max_units, measure=measure)
        self._references = References()
        self._endings: tuple[str, ...] = ()
        self._is_cut = False
        self._sources: tuple[Source, ...] = ()
        self._final: list[OutboundMessage] | None = None
        self._slots: list[Slot] = adopted(key, sent)
        self._in_flight: ReplyCall | None = None
        self._taken = 0
        self._visible = 0
        self._news = False
        self._ended = self._complete = self._gone = False
        self._first_visible_at: float | None = None

    # For the engine

    def begin_with(self, preface: str) -> None:
        """A paragraph of ours above the answer, whatever becomes of it; shown with its first words. Say so before
        them."""
        self._preface = f"{preface.strip()}\n\n" if preface.strip() else ""

    def append(self, text: str) -> None:
        """More of the answer. Ignored after `end`."""
        if self._ended:
            return
        text, self._half = _whole(self._half + text)
        if not text:
            return
        self._pieces.append(text)
        self._length += len(text)
        self._has_words = self._has_words or not text.isspace()
        self._news = True

    def hang_on(self, reply_to: str | None) -> None:
        """From now on this is the `reply_to` of what is sent."""
        self._reply_to = reply_to

    def restart(self) -> None:
        """Forget the text so far: another answer follows, in the messages that were sent already."""
        if self._ended:
            return
        self._pieces.clear()
        self._half = ""
        self._length = self._taken = self._visible = 0
        self._has_words = False
        self._parts = Parts(max_units=self._max_units, measure=self._measure)
        self._references = References()

    def show(self, sentence: str) -> None:
        """Show a sentence for as long as there is nothing of the answer to see."""
        self._sentence = sentence
        self._news = True

    def end(self, *, footers: Sequence[str] = (), sources: tuple[Source, ...] = (), notice: str = "") -> None:
        """No more text comes. `notice` (stopped, cut off …) and the line of sources are Markdown paragraphs under
        the last part; `sources` go along with it. `footers` are forms of that line, the best first: one that has
        room there is better than a message of its own. A second call changes nothing."""
        if self._ended:
            return
        self._ended = True
        self._is_cut = bool(notice.strip())
        self._endings = tuple(
            "\n\n".join(part.strip() for part in (notice, footer) if part.strip()) for footer in footers or ("",)
        )
        self._sources = sources
        for slot in self._slots:
            # That a beginning was refused says nothing of the whole.
            slot.given_up = False

    @property
    def text(self) -> str:
        """The whole text of the answer so far, as the model wrote it."""
        if len(self._pieces) > 1:
            self._pieces[:] = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def preface(self) -> str:
        """What stands above the text."""
        return self._preface.strip()

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended

    @property
    def first_visible_at(self) -> float | None:
        """When the first words of the answer were shown, on the scheduler's clock; a `show` does not count."""
        return self._first_visible_at

    @property
    def is_shown(self) -> bool:
        """Whether words of an answer are visible, or may be: they are on their way, or were in a call that nobody
        knows the outcome of. A `show` does not count."""
        call = self._in_flight
        return (
            self._first_visible_at is not None
            or (call is not None and not self._is_sentence(call))
            or any(slot.attempts - {self._sentence} for slot in self._slots)
            or self._answers()
        )

    @property
    def refused(self) -> bool:
        """Whether the platform takes a part of the complete answer in no form."""
        return self._complete and any(slot.given_up for slot in self._slots)

    @property
    def gone(self) -> bool:
        """Whether nobody reads there any more: the stream may as well be closed."""
        return self._gone

    # For the scheduler

    @property
    def refs(self) -> tuple[MessageRef, ...]:
        """The messages that were sent, in order."""
        return tuple(slot.ref for slot in self._slots if slot.ref is not None)

    @property
    def done(self) -> bool:
        """Whether the answer has ended and every part shows its final text (or can never)."""
        return self._complete

    @property
    def gain(self) -> int:
        """About how many characters the next call would show that are not visible yet."""
        return max(0, self._length - self._visible)

    def next_kind(self) -> CallKind | None:
        """The kind of call that `take` would give, guessed without working on the text."""
        if self._complete:
            return None
        if self._ended:
            return "final" if self._first_visible_at is not None else "first"
        if not self._news or not (self._has_words or self._sentence):
            return None
        return "first" if self._has_words and self._first_visible_at is None else "refresh"

    def take(self, *, in_doubt: bool = False) -> ReplyCall | None:
        """The call to make now, with the newest text; None if everything that can be shown is.

        `in_doubt`: what is sent now may show twice. Then a message is sent as a beginning, and grows to its whole
        length by an edit: a beginning is all that can be left behind.
        """
        if self._in_flight is not None:
            return None
        kind = self.next_kind() or "refresh"
        self._news = False
        for part, message in enumerate(self._wanted()):
            slot = self._slot(part)
            if slot.plain:
                message = _reworded(message, plain(message.text))
            if slot.given_up or self._same(slot, message):
                continue
            self._taken = self._length
            if in_doubt and slot.ref is None and message.text != self._sentence:
                message = self._beginning(message)
            self._in_flight = ReplyCall(part, kind, message, slot.key(self.key, part), slot.ref)
            return self._in_flight
        self._complete = self._ended
        return None

    def sent(self, call: ReplyCall, ref: MessageRef, *, at: float) -> None:
        """`call` was a send, and its message is visible as `ref`."""
        slot = self._slot(call.part)
        slot.ref = ref
        # The platform may have answered with the message of an earlier attempt, which had another text.
        is_sure = slot.attempts <= {call.message.text}
        slot.attempts.clear()
        self._landed(slot, call, at, is_sure=is_sure)

    def edited(self, call: ReplyCall, ref: MessageRef, *, at: float) -> None:
        """`call` was an edit, and its message is visible as `ref`."""
        slot = self._slot(call.part)
        slot.ref = ref
        self._landed(slot, call, at, is_sure=True)

    def failed(self, call: ReplyCall, error: PlatformError) -> None:
        """`call` failed. What is asked for next depends on the error."""
        slot = self._slot(call.part)
        self._in_flight = None
        self._news = True
        match error:
            case RecipientGone():
                self._gone = True
            case MessageGone() if call.ref is not None:
                slot.ref = slot.shown = None
                slot.keys += 1
            case MessageRefused():
                self._refused(slot, call)
            case Unavailable() if error.maybe_applied:
                slot.shown = None
                if call.ref is None:
                    slot.attempts.add(call.message.text)
            case _:
                pass

    def vanished(self) -> None:
        """What is shown in messages that do not last has to be shown again."""
        for slot in self._slots:
            slot.vanished = slot.ref is not None and not slot.lasts
        self._news = True

    def _landed(self, slot: Slot, call: ReplyCall, at: float, *, is_sure: bool) -> None:
        self._in_flight = None
        slot.shown = call.message if is_sure else None
        slot.vanished = False
        self._news = True
        if self._is_sentence(call):
            return
        self._visible = max(self._visible, self._taken)
        if self._first_visible_at is None:
            self._first_visible_at = at
        if self._ended and self._final is not None:
            self._complete = all(
                slot.given_up or self._same(slot, _reworded(message, plain(message.text)) if slot.plain else message)
                for message, slot in zip(self._final, self._slots, strict=False)
            ) and len(self._slots) >= len(self._final)

    def _wanted(self) -> list[OutboundMessage]:
        if self._ended:
            if self._final is None:
                self._final = self._finish()
            return self._final
        open_part = self._parts.grow(self._source) if self._has_words else ""
        texts = self._linked([*self._parts.frozen, open_part])
        texts = texts[:-1] if is_bare(texts[-1]) else [*texts[:-1], self._marked(texts[-1])]
        if not texts and self._sentence and not self._answers():
            texts = [self._sentence]
        last = len(texts) - 1
        return [
            self._message(part, text, growing=part >= len(self._parts.frozen) and part == last)
            for part, text in enumerate(texts)
        ]

    def _linked(self, texts: list[str], *, ended: bool = False) -> list[str]:
        """Messages with the links whose addresses stand elsewhere in the text."""
        source = self._source
        if "]:" not in source and "][" not in source:
            return texts
        self._references.look(source, ended=ended)
        offsets = self._parts.offsets
        return [
            self._references.in_message(text, offsets[min(part, len(offsets) - 1)], self._parts.fits)
            for part, text in enumerate(texts)
        ]

    def _marked(self, text: str) -> str:
        marked = with_mark(text, self._growing_mark)
        return marked if marked == text or self._measure(marked) <= self._max_units else text

    def _beginning(self, message: OutboundMessage) -> OutboundMessage:
        text = message.text
        if message.growing:
            # It may be all that the model has to say.
            text = text.removesuffix(self._growing_mark).rstrip().rpartition(" ")[0]
        else:
            text = text[: min(_BEGINNING, len(text) // 2)]
            text = text[: text.rfind(" ")] if " " in text else text
        short = Parts(max_units=self._max_units, measure=self._measure).grow(_with_ends(text))
        return OutboundMessage(self._marked(short), growing=True, reply_to=message.reply_to) if short else message

    @property
    def _source(self) -> str:
        text = without_tabs(self.text)
        return self._preface + text if self._preface else text

    def _is_sentence(self, call: ReplyCall) -> bool:
        return call.message.growing and call.message.text == self._sentence

    def _answers(self) -> bool:
        """Whether words of an answer (perhaps of one that was given up) are visible."""
        return any(slot.ref and (slot.shown is None or slot.shown.text != self._sentence) for slot in self._slots)

    def _finish(self) -> list[OutboundMessage]:
        texts = self._parts.finish(self._source, *self._endings, is_cut=self._is_cut)
        linked = self._linked(texts, ended=True)
        # What does nothing but define is no message, unless it is all that there is.
        texts = [text for text in linked if self._parts.shows(text)] or texts
        sent = max((number for number, slot in enumerate(self._slots, 1) if slot.lasts), default=0)
        if texts and sent > len(texts):
            # Messages of an answer that was replaced: the last part of the new one is spread over them.
            texts[-1:] = spread(texts[-1], sent - len(texts) + 1, self._measure)
        messages = [self._message(part, text, growing=False) for part, text in enumerate(texts)]
        if messages and self._sources:
            last = messages[-1]
            messages[-1] = OutboundMessage(last.text, sources=self._sources, reply_to=last.reply_to)
        return messages

    def _message(self, part: int, text: str, *, growing: bool) -> OutboundMessage:
        return OutboundMessage(text, growing=growing, reply_to=self._reply_to if part == 0 else None)

    def _slot(self, part: int) -> Slot:
        while len(self._slots) <= part:
            self._slots.append(Slot())
        return self._slots[part]

    def _same(self, slot: Slot, message: OutboundMessage) -> bool:
        shown = slot.shown
        if slot.ref is None or shown is None or slot.vanished:
            return False
        if (self._marks_growing or not slot.lasts) and shown.growing != message.growing:
            return False
        return shown.text == message.text and shown.sources == message.sources

    def _refused(self, slot: Slot, call: ReplyCall) -> None:
        """First the plain form; then, if it is long, smaller messages; then nothing more of this part."""
        if not slot.plain:
            slot.plain = True
        elif self._max_units > _SMALLEST and self._measure(call.message.text) > _SMALLEST:
            self._max_units = max(_SMALLEST, min(self._max_units, self._measure(call.message.text)) // 2)
            self._parts.thaw(call.part, max_units=self._max_units)
            self._final = None
        else:
            slot.given_up = True


def _whole(text: str) -> tuple[str, str]:
    """A piece of a text with one kind of line end and without halves of characters (no platform takes them),
    and a half to be kept for the piece that comes next: JSON escapes may be cut between the halves of an emoji."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" or text[-1:] == "\r" else ""
    text = text[: len(text) - len(half)]
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _HALVES.search(text) is not None:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text, half


def _with_ends(text: str) -> str:
    """A text that was cut off, its emphasis closed; links and code that are open there stay open."""
    if _PAIRED.search(text, visible(text).end):
        return text
    look = visible(text, hold=0)
    return f"{text[: look.end]}{look.closing}\n\n"


def _reworded(message: OutboundMessage, text: str) -> OutboundMessage:
    return OutboundMessage(text, growing=message.growing, sources=message.sources, reply_to=message.reply_to)
