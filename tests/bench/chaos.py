"""What becomes of the answers while Telegram misbehaves: many customers write at once, and calls fail at random.

    python -m tests.bench.chaos [--count N]        5 % of the calls get 429, 2 % are applied and then cut, 1 % get 502
    python -m tests.bench.chaos --one-waits        one customer gets 429 with `retry_after` 30: what it costs the others

The program runs as it does in a shop, in a process of its own, between the strict stand-ins for Telegram (flood
limits on) and Claude (40 pieces a second). Everything is judged by Telegram's log and chats alone.
"""

import argparse
import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.ideal import pair
from tests.bench.program import program
from tests.bench.replies import ANSWER, WHOLE
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import question_of
from tests.servers.telegram import TelegramServer
from tests.servers.telegram.faults import Fault, FaultKind
from tests.servers.telegram.server import Call

LIMITED, CUT, BAD_GATEWAY = 0.05, 0.02, 0.01
FIRST_ID = 10_000
ROUNDS = 3
# A call that left before its chat's refusal arrived was not made in spite of it.
ON_THE_WAY = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the log says. Times are seconds after the model's first and last word, one of each for a customer.

    `doubled`: chats with the same complete text twice, `doubtful`: sends of a complete text that were applied and
    cut; `beginnings`: messages left with a part of the answer, `wrong`: with anything else; `earned`: calls refused
    beyond those that were meant to be, `early`: calls before their chat's `retry_after` was over.
    """

    injected: Mapping[str, int]
    complete: int
    doubled: int
    doubtful: int
    beginnings: int
    wrong: int
    earned: int
    early: Sequence[Call]
    first: Sequence[float]
    whole: Sequence[float]


async def main(count: int, one_waits: bool) -> None:
    if one_waits:
        await compare(count)
        return
    verdict = await run(count, chaos=True)
    for line in lines(count, verdict):
        print(line)
    print(load())


async def compare(count: int) -> None:
    """The others' times without and with one who waits, over several runs of each in turn: what 50 customers see
    differs more from run to run than what is looked for."""
    rounds = [(await run(count, chaos=False), await run(count, chaos=False, waits=True)) for _ in range(ROUNDS)]
    print(f"{count} customers, {ROUNDS} runs each; the times of all but one, after the model's first and last word")
    print("                                  first p50/p95   complete p50/p95   complete")
    for name, verdicts in zip(("nobody waits", "one has to wait 30 s"), zip(*rounds, strict=True), strict=True):
        first = [seconds for verdict in verdicts for seconds in verdict.first[1:]]
        whole = [seconds for verdict in verdicts for seconds in verdict.whole[1:]]
        answers = sum(verdict.complete for verdict in verdicts)
        print(f"{name:30} {pair(first)}      {pair(whole)}   {answers:8d}")
    waited = ", ".join(f"{waiting.whole[0]:.1f}" for _, waiting in rounds)
    early = sum(len(waiting.early) for _, waiting in rounds)
    print(f"The one had its answer {waited} s after the model; calls too early: {early}; {load()}")


def lines(count: int, verdict: Verdict) -> Iterator[str]:
    """The verdict in words."""
    yield "injected: " + ", ".join(f"{number} x {kind}" for kind, number in verdict.injected.items())
    yield f"complete answers:                       {verdict.complete} of {count}"
    yield f"chats with the complete text twice:     {verdict.doubled} (doubtful sends of it: {verdict.doubtful})"
    yield f"bare beginnings left:                   {verdict.beginnings}"
    yield f"messages with any other text:           {verdict.wrong}"
    yield f"429 earned beyond the injected ones:    {verdict.earned}"
    yield f"calls before `retry_after` was over:    {len(verdict.early)}"
    yield f"first text after the model's, p50/p95:  {pair(verdict.first)} s"
    yield f"complete after the model, p50/p95:      {pair(verdict.whole)} s"


def load() -> str:
    return f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


async def run(count: int, *, chaos: bool, waits: bool = False) -> Verdict:
    """Let `count` customers write at once; with `chaos` calls fail, with `waits` the first customer has to wait."""
    async with (
        AnthropicServer(rate=40.0, delay=0.3, piece=4, judges_late=True) as claude,
        TelegramServer(flood_limits=True) as telegram,
    ):
        claude.answer(ANSWER)
        async with program(telegram, claude, log_level="error"):
            # The first turn of a process is slower than the others, and its budget is not full.
            await everybody_writes(telegram, [FIRST_ID - 1], WHOLE)
            await asyncio.sleep(5)
            faults = break_calls(telegram) if chaos else {}
            if waits:
                telegram.fail("flood", "sendMessage", chat_id=FIRST_ID, times=1, seconds=30)
            start = len(telegram.log)
            await everybody_writes(telegram, range(FIRST_ID, FIRST_ID + count), WHOLE)
        return judge(telegram, claude, telegram.log[start:], faults, count)


def break_calls(
    telegram: TelegramServer, *, limited: float = LIMITED, cut: float = CUT, bad_gateway: float = BAD_GATEWAY
) -> Mapping[str, Sequence[Fault]]:
    """From now on these shares of the calls fail at random: the faults by their kind."""
    shares: list[tuple[str, FaultKind, float, float]] = [
        *(("429", "flood", limited / 3, seconds) for seconds in (1.0, 2.0, 3.0)),
        ("cut", "apply_and_cut", cut, 0.0),
        ("502", "bad_gateway", bad_gateway, 0.0),
    ]
    found: dict[str, list[Fault]] = {}
    left = 1.0
    for seed, (name, kind, share, seconds) in enumerate(shares, 1):
        # Each is only asked about calls that those before it have let pass.
        found.setdefault(name, []).append(telegram.fail(kind, rate=share / left, seconds=seconds, seed=seed))
        left -= share
    return found


async def everybody_writes(telegram: TelegramServer, ids: Sequence[int], whole: str, *, timeout: float = 180) -> None:
    """Each of these customers asks at once; until all have the answer, or there is none to be expected any more."""
    for chat_id in ids:
        telegram.customer(chat_id, f"Khách {chat_id}").write(f"hỏi #{chat_id}")
    with contextlib.suppress(TimeoutError):
        await telegram.wait_for(lambda: all(whole in telegram.texts(chat_id) for chat_id in ids), timeout=timeout)
    # A call that was cut is made again.
    await asyncio.sleep(1.5)


def judge(
    telegram: TelegramServer,
    claude: AnthropicServer,
    log: Sequence[Call],
    faults: Mapping[str, Sequence[Fault]],
    count: int,
    *,
    whole: str = WHOLE,
) -> Verdict:
    """What the log and the chats say about the customers from `FIRST_ID` on."""
    ids = range(FIRST_ID, FIRST_ID + count)
    chats = {chat_id: telegram.texts(chat_id) for chat_id in ids}
    left = [text for texts in chats.values() for text in texts if text != whole]
    limited = sum(call.status == 429 for call in log)
    meant = sum(fault.hits for fault in telegram.faults if fault.kind == "flood")
    first, last = times(claude, log, ids, whole)
    return Verdict(
        injected={kind: sum(fault.hits for fault in some) for kind, some in faults.items()},
        complete=sum(shown[-1:] == [whole] for shown in chats.values()),
        doubled=sum(shown.count(whole) > 1 for shown in chats.values()),
        doubtful=sum(
            call.method == "sendMessage" and call.description == "cut" and call.params["text"] == whole for call in log
        ),
        beginnings=sum(whole.startswith(text) for text in left),
        wrong=sum(not whole.startswith(text) for text in left),
        earned=limited - meant,
        early=list(early(log)),
        first=first,
        whole=last,
    )


def times(
    claude: AnthropicServer, log: Sequence[Call], ids: Sequence[int], whole: str
) -> tuple[Sequence[float], Sequence[float]]:
    """When each customer saw the first text and the whole one, in seconds after the model's first and last word."""
    asked = {words[1].split()[0]: call for call in claude.calls if len(words := question_of(call.body).split("#")) > 1}
    texts, first, last = applied_texts(log), list[float](), list[float]()
    for chat_id in ids:
        model, shown = asked.get(str(chat_id)), texts.get(chat_id)
        if model is None or not shown:
            continue
        first.append(shown[0].done - (model.first_text or 0.0))
        last.extend([call.done - (model.ended or 0.0) for call in shown if call.params["text"] == whole][:1])
    return first, last


def applied_texts(log: Sequence[Call]) -> Mapping[int | None, list[Call]]:
    """By chat: the calls that changed what its reader sees."""
    found: dict[int | None, list[Call]] = {}
    for call in log:
        if call.method in ("sendMessage", "editMessageText") and (call.status == 200 or call.description == "cut"):
            found.setdefault(call.chat_id, []).append(call)
    return found


def early(log: Sequence[Call]) -> Iterator[Call]:
    """The calls that came to a chat before it may be called again."""
    until: dict[int, tuple[float, float]] = {}
    for call in sorted(log, key=lambda call: call.at):
        if call.chat_id is None:
            continue
        told, over = until.get(call.chat_id, (0.0, 0.0))
        if told + ON_THE_WAY < call.at < over:
            yield call
        if call.status == 429:
            until[call.chat_id] = (call.done, max(over, call.done + int(call.description.split()[-1])))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.chaos")
    parser.add_argument("--count", metavar="N", type=int, help="customers; 500, or 50 when one waits")
    parser.add_argument("--one-waits", action="store_true", help="runs without and with one who has to wait 30 s")
    given = parser.parse_args()
    asyncio.run(main(given.count or (50 if given.one_waits else 500), given.one_waits))
