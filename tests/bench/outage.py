"""The provider is dead and customers write on: what do they see, and what is left when it lives again?

    python -m tests.bench.outage [--minutes 10] [--rate 50] [--how 529 | gone | silent]

So many messages a second, from customers who write again and again, before, during and after the outage. The program
runs as it does in a shop, in a process of its own, with one model and the policies word for word behind it. Telegram's
log and chats are the judge: each question has one answer, in its order. `silent` takes requests and says nothing.
Exit status 1 when a promise is broken.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.bench.chaos import load
from tests.bench.ideal import pair
from tests.bench.kills.words import sentences
from tests.bench.proofs import Stand, memory, stand, until
from tests.servers.anthropic.script import Body, Fault, question_of
from tests.servers.telegram import TelegramServer

How = Literal["529", "gone", "silent"]
FAULTS: Mapping[How, Fault] = {
    "529": Fault("http", status=529, times=None),
    "gone": Fault("reset", after=-1, times=None),
    "silent": Fault("slow", seconds=-1, times=None),
}
QUESTIONS = (
    "phí ship nội thành bao nhiêu vậy shop",
    "áo không vừa thì đổi trả trong mấy ngày",
    "có được thanh toán khi nhận hàng không",
    "giày bảo hành bao lâu ạ",
)
FIRST_ID = 500_000
_BEFORE = 2.0
_AFTER = 15.0
"""Seconds of messages before the outage and after it: a breaker asks again every ten."""
_SETTLED = 120.0


@dataclass(frozen=True, slots=True)
class Question:
    chat: int
    tag: str
    kind: int
    asked: float

    @property
    def answer(self) -> str:
        """What the model says to it."""
        return answer_to(self.tag)


@dataclass(slots=True)
class Ran:
    """Times are seconds; `queue`: questions without an answer, looked at twice a second."""

    how: How
    seconds: float
    questions: int = 0
    wrong: list[str] = field(default_factory=list)
    by_model: int = 0
    by_policies: int = 0
    requests: int = 0
    """To the provider, while it was dead."""
    waits: Sequence[float] = ()
    """From a question in the outage to the end of its answer."""
    queue: list[int] = field(default_factory=list)
    allowed_queue: float = 0.0
    drained: float = 0.0
    """From the last message to the last answer."""
    recovered: float = 0.0
    """From the end of the outage to the first answer of the model."""
    opened: int = 0
    closed: int = 0
    memory: list[float] = field(default_factory=list)
    cpu: float = 0.0
    """Seconds of a core that the program had for each question of the outage."""
    tracebacks: int = 0

    def is_good(self) -> bool:
        is_bounded = max(self.queue, default=0) <= self.allowed_queue
        return not self.wrong and is_bounded and (self.opened, self.closed) == (1, 1) and not self.tracebacks


class Crowd:
    """The customers: who has had an answer and not written for `again` seconds writes next, else somebody new. It
    keeps who asked what."""

    def __init__(self, telegram: TelegramServer, again: float) -> None:
        self.asked: list[Question] = []
        self._telegram = telegram
        self._again = again
        self._counts: Counter[int] = Counter()
        self._latest: deque[Question] = deque()
        self._left: dict[int, deque[tuple[int, Question]]] = {}
        """Chat → its questions without a whole answer, and the number of the message that is to have it."""

    def ask(self) -> Question:
        """The next customer asks the next question."""
        number, now = len(self.asked), time.monotonic()
        chat, first = FIRST_ID + len(self._counts), self._latest[0] if self._latest else None
        if first is not None and now - first.asked > self._again:
            self._latest.popleft()
            if first.chat not in self._left:
                chat = first.chat
        question = Question(chat, f"k{number}k", number % len(QUESTIONS), now)
        self.asked.append(question)
        self._left.setdefault(chat, deque()).append((self._counts[chat], question))
        self._counts[chat] += 1
        self._latest.append(question)
        self._telegram.customer(chat).write(f"{QUESTIONS[question.kind]} {question.tag}")
        return question

    async def write(self, rate: float, seconds: float) -> None:
        """So many questions a second, for so long."""
        began = time.monotonic()
        for number in range(int(rate * seconds)):
            if (early := began + number / rate - time.monotonic()) > 0:
                await asyncio.sleep(early)
            elif number % 20 == 0:
                await asyncio.sleep(0)
            self.ask()

    def waiting(self) -> int:
        """How many questions have no whole answer yet."""
        left: dict[int, deque[tuple[int, Question]]] = {}
        for chat, questions in self._left.items():
            shown = self._telegram.messages(chat)
            while (
                questions and questions[0][0] < len(shown) and _is_whole(shown[questions[0][0]].text, questions[0][1])
            ):
                questions.popleft()
            if questions:
                left[chat] = questions
        self._left = left
        return sum(map(len, left.values()))


def cpu_seconds(pid: int) -> float:
    """Time that all threads of a process have had on a core so far (Linux)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def answer_to(tag: str) -> str:
    return f"Dạ em trả lời câu {tag}: shop giao trong ba ngày làm việc ạ."


async def outage(seconds: float, rate: float = 50.0, how: How = "529", *, again: float = 40.0) -> Ran:
    """`again`: seconds after which a customer writes again."""
    ran = Ran(how, seconds)
    options = {"rate": 200.0, "piece": 40, "delay": 0.05}
    # The pages of their answers are looked at when all is over; nobody is refused for being too many.
    async with stand(telegram={}, claude=options, TELEGRAM_CALLS_PER_SECOND="1000", SHOPDESK_LOG_LEVEL="info") as shop:
        telegram = shop.telegram
        assert telegram
        shop.claude.answer(_answer)
        crowd = Crowd(telegram, again)
        async with shop.open() as victim:
            assert await until(lambda: telegram.calls("deleteWebhook", status=200), 60), shop.log
            watching = asyncio.create_task(_watch(ran, crowd, victim.pid))
            await crowd.write(rate, _BEFORE)
            shop.claude.fault(FAULTS[how])
            dead, before, cpu = time.monotonic(), len(shop.claude.calls), cpu_seconds(victim.pid)
            await crowd.write(rate, seconds)
            ran.cpu = (cpu_seconds(victim.pid) - cpu) / max(1.0, rate * seconds)
            ran.requests = len(shop.claude.calls) - before
            shop.claude.heal()
            alive = time.monotonic()
            await crowd.write(rate, _AFTER)
            ended = time.monotonic()
            await until(lambda: crowd.waiting() == 0, _SETTLED, every=0.5)
            await asyncio.sleep(2.0)  # what is being said ends, and what is said twice is said by now
            watching.cancel()
        judge(ran, shop, crowd, dead, alive, ended)
        # Who is asked while it is dead waits for the first failures at most: they open the breaker.
        ran.allowed_queue = rate * ({"529": 5.0, "gone": 5.0, "silent": 25.0}[how]) + 50
    return ran


def judge(ran: Ran, shop: Stand, crowd: Crowd, dead: float, alive: float, ended: float) -> None:
    """What Telegram's chats and the program's log say."""
    telegram = shop.telegram
    assert telegram
    last_call: dict[tuple[int, int], float] = {}
    for call in telegram.log:
        if call.method in ("sendMessage", "editMessageText") and call.status == 200 and call.chat_id is not None:
            number = int(call.params.get("message_id", 0))
            last_call[call.chat_id, number] = call.done
    by_chat: dict[int, list[Question]] = {}
    for question in crowd.asked:
        by_chat.setdefault(question.chat, []).append(question)
    policies: dict[str, int] = {}
    waits, ends, healthy = [], [], []
    for chat, asked in by_chat.items():
        shown = telegram.messages(chat)
        if len(shown) != len(asked):
            ran.wrong.append(f"{chat}: {len(asked)} questions, {len(shown)} answers")
            continue
        for question, message in zip(asked, shown, strict=True):
            done = max(message.sent_at, last_call.get((chat, message.message_id), 0.0))
            ends.append(done)
            if message.text == question.answer:
                ran.by_model += 1
                if question.asked > alive:
                    healthy.append(done)
            elif _is_policies(message.text) and policies.setdefault(message.text, question.kind) == question.kind:
                ran.by_policies += 1
            else:
                ran.wrong.append(f"{chat}: {question.tag}: {message.text[:60]!r}")
            if dead <= question.asked < alive:
                waits.append(done - question.asked)
    ran.questions, ran.waits = len(crowd.asked), waits
    ran.drained = max(ends, default=ended) - ended
    ran.recovered = min(healthy, default=float("inf")) - alive
    ran.opened, ran.closed = shop.log.count("is not asked any more"), shop.log.count("answers again.")
    ran.tracebacks = shop.log.count("Traceback")


async def _watch(ran: Ran, crowd: Crowd, pid: int) -> None:
    while True:
        ran.queue.append(crowd.waiting())
        ran.memory.append(memory(pid))
        await asyncio.sleep(0.5)


def _answer(body: Body) -> str:
    tags = [word for word in question_of(body).split() if word.startswith("k") and word.endswith("k")]
    return answer_to(tags[-1] if tags else "?")


def _is_whole(text: str, question: Question) -> bool:
    return text == question.answer or _is_policies(text)


def _is_policies(text: str) -> bool:
    """A whole quotation: it begins by saying what it is, and ends in its sources."""
    return text.startswith(sentences()["fallback_notice"].strip("_")) and "\n\nNguồn" in text


def report(ran: Ran) -> Iterator[str]:
    """What became of them, in words."""
    yield f"dead for {ran.seconds:g} s ({ran.how}); {ran.questions} questions"
    yield (
        f"answers: {ran.by_model} by the model, {ran.by_policies} by the policies; missing, double, out of order or "
        f"anything else: {len(ran.wrong)}"
    )
    yield f"requests to the dead provider: {ran.requests}; notices: {ran.opened} opened, {ran.closed} closed"
    yield f"from a question in the outage to its whole answer p50/p95 {pair(ran.waits)} s, at most {max(ran.waits):.1f}"
    yield (
        f"questions without an answer: {max(ran.queue)} at most ({ran.allowed_queue:.0f} allowed); the last one was "
        f"answered {ran.drained:.1f} s after it came"
    )
    yield f"first answer of the model {ran.recovered:.1f} s after the outage"
    third = max(1, len(ran.memory) // 3)
    middle = sorted(ran.memory[third : 2 * third] or ran.memory)
    yield (
        f"memory in MB: first third {max(ran.memory[:third]):.0f} at most, middle {middle[-1]:.0f}, last third "
        f"{max(ran.memory[-third:]):.0f}; CPU a question "
        f"{ran.cpu * 1000:.1f} ms; tracebacks in the log: {ran.tracebacks}"
    )
    yield from (f"  {one}" for one in ran.wrong[:8])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.outage")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=50.0, help="messages a second")
    parser.add_argument("--how", choices=[*FAULTS], default="529")
    given = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    one = asyncio.run(outage(given.minutes * 60, given.rate, given.how))
    print("\n".join(report(one)), load(), sep="\n")
    sys.exit(0 if one.is_good() else 1)
