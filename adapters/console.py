"""The console as a door: one customer at this terminal, or a list of questions in a pipe."""

import asyncio
import codecs
import io
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO, TextIO, cast
from uuid import uuid4

from bot.chat import (
    Address,
    Attachment,
    Command,
    InboundMessage,
    MessageLimits,
    MessageRef,
    OutboundMessage,
    Ready,
    Receive,
)
from bot.errors import RecipientGone, Unavailable
from bot.text import clean, is_blank, one_line

HERE = Address("console", "console")
_COMMANDS: dict[str, Command] = {
    "/start": "start",
    "/new": "new",
    "/stop": "stop",
    "/help": "help",
    "/human": "human",
}
_LEAVE = ("/quit", "/exit")
_WELCOME = "Write a question and press Enter. /new starts afresh, /stop or Ctrl-C ends an answer, /quit leaves.\n"
_PROMPT = "> "
_WITHDRAWN = "(✗)\n"
_WAIT = "…"
_ERASE_WAIT = "\r \r"
# Marks that a growing text may end with and lose again, when what they close grows on.
_CLOSERS = "*_~`|)\n "
_FLICKER = 16


class ConsolePlatform:
    """Reads questions from one stream and lets the answers grow on another; `run` returns when the user leaves.

    At a terminal a message may come at any time, and lines that are pasted together are one message.
    Otherwise each line is a message, and waits until the one before it is answered.
    """

    name = "console"
    limits = MessageLimits(
        max_units=1_000_000, min_interval=0.05, marks_growing=True, files=10, file_bytes=1_000_000_000
    )

    def __init__(self, lines: TextIO, output: TextIO, *, interactive: bool | None = None, paste: float = 0.03) -> None:
        """`paste`: lines that come within so many seconds are one message. Only looked at when interactive."""
        self._input = lines
        self._screen = _Screen(output)
        self._interactive = lines.isatty() if interactive is None else interactive
        self._paste = paste
        self._unanswered = False  # something was asked, and no answer to it has begun
        self._growing: set[str] = set()  # keys of the answers that are not finished
        self._stopping = False
        self._ended = False
        self._left = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._receive: Receive | None = None
        self._stop_asked = asyncio.Event()

    async def run(self, receive: Receive, ready: Ready) -> None:
        """Deliver until the input has ended and everything is answered, or until the user leaves."""
        self._receive = receive
        ready("in this terminal")
        if self._interactive:
            self._screen.write(_WELCOME)
            self._prompt()
        undo = _on_interrupt(self.interrupt)
        tasks = [asyncio.create_task(work) for work in (self._deliver_all(), self._deliver_stops(), self._leave())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            undo()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._screen.end_line()

    def interrupt(self) -> None:
        """Ctrl-C: the first one during an answer ends the answer; a second one, or one while idle, leaves."""
        if self._idle.is_set() or self._stopping:
            self._left.set()
            return
        self._stopping = True
        self._screen.end_line()
        self._stop_asked.set()

    async def close(self) -> None:
        """A terminal has nothing to give back."""

    def measure(self, text: str) -> int:
        """A terminal counts characters."""
        return len(text)

    def is_group(self, at: Address) -> bool:
        """Nobody else reads along."""
        return False

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        """Begin a new answer. Raises `RecipientGone` when the output is closed."""
        self._unanswered = False
        # A terminal shows no files, only that there are some.
        named = [f"[{one_line(clean(file.name)) or 'file'}]" for file in message.files]
        self._show(key, replace(message, text="\n".join(part for part in (message.text, *named) if part)))
        return MessageRef(to, key)

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        """Let an answer grow. Raises `RecipientGone` when the output is closed."""
        self._show(ref.message_id, message)
        return ref

    async def delete(self, ref: MessageRef) -> None:
        """Nothing is taken back from a terminal: it is said that the answer does not hold any more."""
        self._growing.discard(ref.message_id)
        self._guarded(lambda: self._screen.withdraw(ref.message_id))
        self._settle()

    async def show_typing(self, at: Address) -> None:
        """Three dots, until the answer begins."""
        if self._interactive and not self._idle.is_set():
            self._guarded(self._screen.wait)

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        """Nothing is ever attached here."""
        raise Unavailable("the console has no attachments", maybe_applied=False)

    async def _deliver_all(self) -> None:
        async for text in self._messages():
            word = text.strip()
            if word in _LEAVE:
                return
            if is_blank(text):
                self._prompt()
                continue
            command = _COMMANDS.get(word.split(maxsplit=1)[0])
            await self._deliver(word.partition(" ")[2].strip() if command else text, command=command)
            if not self._interactive:
                await self._idle.wait()
        self._ended = True
        await self._idle.wait()

    async def _deliver_stops(self) -> None:
        while await self._stop_asked.wait():
            self._stop_asked.clear()
            await self._deliver("", command="stop")

    async def _leave(self) -> None:
        await self._left.wait()

    async def _messages(self) -> AsyncIterator[str]:
        """The lines of the input, with those that were pasted together joined."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        start_reader(self._input, queue)
        pasted: list[str] = []
        while (line := await queue.get()) is not None:
            self._screen.entered()
            if self._interactive and not _is_command(line):
                pasted.append(line)
                if queue.empty():
                    await asyncio.sleep(self._paste)
                if not queue.empty():
                    continue
            if pasted:
                yield clean("\n".join(pasted)).strip()
                pasted.clear()
            if not self._interactive or _is_command(line):
                yield clean(line).strip()
        if pasted:
            yield clean("\n".join(pasted)).strip()

    async def _deliver(self, text: str, *, command: Command | None) -> None:
        assert self._receive is not None
        if command != "stop":  # it is answered by the end of what it stops, and by nothing when there is nothing
            self._unanswered = True
            self._idle.clear()
        message = InboundMessage(
            message_id=uuid4().hex,
            address=HERE,
            sender_id="console",
            sender_name="console",
            text=text,
            sent_at=datetime.now(UTC),
            command=command,
        )
        await self._receive(message)
        if command == "stop" and not self._growing:  # what was stopped before it began is answered by nothing
            self._unanswered = False
            self._settle()

    def _show(self, key: str, message: OutboundMessage) -> None:
        if message.growing:
            self._growing.add(key)
            self._idle.clear()
        else:
            self._growing.discard(key)
        self._guarded(lambda: self._screen.show(key, clean(message.text), growing=message.growing))
        self._settle()

    def _settle(self) -> None:
        if not self._unanswered and not self._growing:
            self._stopping = False
            self._idle.set()
            self._prompt()

    def _prompt(self) -> None:
        if self._interactive and self._idle.is_set() and not self._ended:
            self._guarded(self._screen.prompt)

    def _guarded(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, ValueError) as exc:  # a pipe that nobody reads, a stream that is closed
            self._left.set()
            raise RecipientGone("the output is closed") from exc


class _Screen:
    """What stands on the output. It can only be added to, so that it reads the same in a terminal and a file."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._key: str | None = None
        self._shown = ""  # what of the message `_key` stands there
        self._at_start = True
        self._dots = False
        self._prompted = False

    def write(self, text: str) -> None:
        if not text:
            return
        if self._dots:
            self._output.write(_ERASE_WAIT)
        self._output.write(text)
        self._output.flush()
        self._at_start = text.endswith("\n")
        self._dots = self._prompted = False

    def prompt(self) -> None:
        if not self._prompted:
            self.write(_PROMPT)
            self._prompted = True

    def entered(self) -> None:
        """The user pressed Enter: the terminal stands at the start of a line."""
        self._at_start = True
        self._dots = self._prompted = False

    def wait(self) -> None:
        if self._at_start and not self._dots:
            self.write(_WAIT)
            self._at_start = self._dots = True

    def end_line(self) -> None:
        with suppress(OSError, ValueError):
            self._fresh_line()

    def show(self, key: str, text: str, *, growing: bool) -> None:
        """Bring a message to this text: what is new is added; a text that is another one starts a fresh line."""
        stable = text.rstrip(_CLOSERS) if growing else text.rstrip()
        if key != self._key:
            self._fresh_line()
            self._key, self._shown = key, ""
        if not stable.startswith(self._shown):
            if growing and _common(stable, self._shown) >= max(1, len(self._shown) - _FLICKER):
                return  # an unfinished end that changes once more: wait for what it becomes
            self._fresh_line()
            self._shown = ""
        self.write(stable[len(self._shown) :])
        self._shown = stable
        if not growing:
            self._fresh_line()

    def withdraw(self, key: str) -> None:
        """A message does not hold any more."""
        self._fresh_line()
        self.write(_WITHDRAWN)
        self._key = None

    def _fresh_line(self) -> None:
        if self._dots:
            self._dots = False
            self.write(_ERASE_WAIT)
            self._at_start = True
        elif not self._at_start:
            self.write("\n")


def _common(one: str, other: str) -> int:
    """Length of the beginning that two texts share."""
    for position, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return position
    return min(len(one), len(other))


def _is_command(line: str) -> bool:
    word = line.split(maxsplit=1)[0] if line.strip() else ""
    return word in _COMMANDS or word in _LEAVE


def _on_interrupt(act: Callable[[], None]) -> Callable[[], None]:
    """Call `act` on the loop for each Ctrl-C; returns what undoes it. Elsewhere than in a main thread: nothing."""
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(act))

    def undo() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)

    return undo


def start_reader(stream: TextIO, queue: "asyncio.Queue[str | None]") -> None:
    """Put each line into the queue, and None at the end.

    A thread of its own, since reading would block the loop, and a daemon, since nothing can wake it. It
    reads below Python's buffer: a thread inside that one when the program ends is a fatal error.
    """
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            try:
                for line in _lines(stream):
                    loop.call_soon_threadsafe(queue.put_nowait, line)
            except (OSError, ValueError):
                pass  # a terminal that was closed is an end of the input
            loop.call_soon_threadsafe(queue.put_nowait, None)

    threading.Thread(target=read, name="console-reader", daemon=True).start()


def _lines(stream: TextIO) -> Iterator[str]:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    if not isinstance(raw, io.RawIOBase):
        yield from (line.rstrip("\n") for line in stream)
        return
    encoding = codecs.lookup(stream.encoding or "utf-8").name
    # A bare locale claims ASCII, and what is typed there is UTF-8 all the same.
    decoder = codecs.getincrementaldecoder("utf-8" if encoding == "ascii" else encoding)(errors="replace")
    rest = ""
    while data := cast(BinaryIO, raw).read(65536):
        rest += decoder.decode(data)
        *whole, rest = rest.split("\n")
        yield from whole
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
