"""Streams an answer through the real `StreamedReply` into a door, and judges all that a reader sees of it.

What is judged, for each call that the reply makes:

- refusal: the platform would not take the message, or it is longer than a message may be;
- debris: a marker (one of `MARKERS`, or a raw row of a table, or a bullet or number with nothing behind it) that
  the complete answer does not show;
- jump: more than `TAKEN_BACK` letters at the end of what was seen are not there any more. White space and what
  the doors draw (lines of tables, bullets) do not count: columns may be aligned anew;
- final: at the end a word of the answer is missing or out of order, a word is split over two messages, or a link
  leads to a host that is not allowed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import unquote

import regex

from bot.chat import Address, MessageRef, OutboundMessage, ReplyCall
from bot.links import host_of
from bot.reply import StreamedReply
from tests.formatting.doors import HOSTS, Door, Seen
from tests.formatting.oracle import MARKERS, Expected, expected, missing, squeezed, tokens

TAKEN_BACK = 3
_ADDRESS = Address("test", "1")
_RAW_TABLE = regex.compile(r"(?m)^(?:> )*(?:\|.*\||\|? *:?-+:? *(?:\| *:?-+:? *)+\|?) *$")
_DEFINED = regex.compile(r"\]:[ \t]*<?([^\s<>]*)")
_LONE_MARK = regex.compile(r"(?:^|\n)[ >]*(?:[•☑☐+*-]|\d{1,9}[.)])\s*$")


# A door may write a tab as spaces, and drop or put in what cannot be seen.
_UNSEEN = regex.compile(r"[\s\p{Z}\p{Cc}\p{Cf}]")
_CODES = regex.compile("%2[A89]|%7E")
_NO_LETTER = regex.compile(r"\P{L}")
_MARKS_WITH_LETTERS = regex.compile(r"""(?<=\[)[xX](?=\])|(?<=\])\([^\s()]+(?:\s+(?:"[^"\n]*"|'[^'\n]*'))?\)""")


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    """`refusal`, `exception`, `debris`, `jump` or `final`."""
    what: str


@dataclass(slots=True)
class Growth:
    """Every state of the chat: the messages, in order, after each call."""

    states: list[tuple[OutboundMessage, ...]] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    """The states with nothing left to call for: only between these words do not move to another message."""
    units: int = 0
    """Of the longest message."""


def stream(text: str, cuts: Sequence[float], door: Door, *, max_units: int | None = None) -> Growth:
    """Feed a text in pieces that end at these fractions of its length."""
    limit = max_units or door.max_units
    reply = StreamedReply(to=_ADDRESS, key="k", reply_to=None, max_units=limit, measure=door.measure)
    growth, messages = Growth(), list[OutboundMessage]()
    begun = 0
    for cut in cuts:
        end = max(begun, int(cut * len(text)))
        reply.append(text[begun:end])
        begun = end
        _take_all(reply, growth, messages, door)
    reply.append(text[begun:])
    reply.end()
    _take_all(reply, growth, messages, door)
    assert reply.done, "the reply does not come to an end"
    return growth


def _take_all(reply: StreamedReply, growth: Growth, messages: list[OutboundMessage], door: Door) -> None:
    for _ in range(1000):
        call = reply.take()
        if call is None:
            growth.settled.append(len(growth.states) - 1)
            return
        _show(call, messages)
        growth.states.append(tuple(messages))
        growth.units = max(growth.units, door.measure(call.message.text))
        if call.ref is None:
            reply.sent(call, MessageRef(_ADDRESS, str(call.part)), at=0.0)
        else:
            reply.edited(call, call.ref, at=0.0)
    raise AssertionError("the reply never stops making calls")


def _show(call: ReplyCall, messages: list[OutboundMessage]) -> None:
    if call.part == len(messages):
        messages.append(call.message)
    else:
        messages[call.part] = call.message


def judge(text: str, growth: Growth, door: Door, *, max_units: int | None = None) -> list[Fault]:
    """All that is wrong with what was seen."""
    faults = []
    if growth.units > (max_units or door.max_units):
        faults.append(Fault("refusal", f"a message of {growth.units} units"))
    every = list(dict.fromkeys(message for state in growth.states for message in state))
    try:
        seen = dict(zip(every, door.see(every), strict=True))
    except Exception as exc:  # noqa: BLE001 - whatever goes wrong in a door is what is looked for
        kind = "refusal" if type(exc).__name__ in ("Refused", "ApiError") else "exception"
        return [*faults, Fault(kind, f"{type(exc).__name__}: {exc}")]
    truth = expected(text)
    states = [[seen[message] for message in state] for state in growth.states]
    if any(not HOSTS.allow(address) for address in _DEFINED.findall(text)):
        # An address that may be no link is put behind its words, where it was not while they stood alone.
        return faults + _final(states[-1] if states else [], truth, max_units or door.max_units, door)
    for number, state in enumerate(states, 1):
        faults += _debris(state, truth, is_last=number == len(states))
    for before, now in pairwise(number for number in growth.settled if number >= 0):
        faults += _jump(states[before], states[now])
    return faults + _final(states[-1] if states else [], truth, max_units or door.max_units, door)


def _debris(state: Sequence[Seen], truth: Expected, *, is_last: bool) -> list[Fault]:
    if not truth.letters:
        return []  # Markup and nothing else is shown as it stands.
    faults = []
    text = "\n".join(seen.text for seen in state)
    allowed = truth.markers
    found = Counter(char for char in text if char in MARKERS)
    if too_many := {char: count for char, count in found.items() if count > allowed[char]}:
        faults.append(Fault("debris", f"{too_many} in {text[-120:]!r}"))
    words = _UNSEEN.sub("", truth.text)
    # A cell may hold a bar or dashes of its own: then a row that is drawn looks as if it were raw.
    drawn = {_UNSEEN.sub("", row) for row in truth.rows}
    shown = [_UNSEEN.sub("", row.replace("│", "|")) for row in _RAW_TABLE.findall(text)]
    raw = [row for row in shown if row not in words and row not in drawn]
    if len(raw) > len(_RAW_TABLE.findall(truth.text)):
        faults.append(Fault("debris", f"raw table {raw[0]!r}"))
    if not is_last and state and (mark := _LONE_MARK.search(state[-1].text)) and mark[0].strip() not in truth.text:
        faults.append(Fault("debris", f"lone {mark[0]!r}"))
    return faults


def _jump(before: Sequence[Seen], now: Sequence[Seen]) -> list[Fault]:
    then, today = (squeezed("".join(seen.text for seen in state)) for state in (before, now))
    kept = then[: max(0, len(then) - TAKEN_BACK)]
    if today.startswith(kept):
        return []
    same = next((at for at, (one, other) in enumerate(zip(kept, today, strict=False)) if one != other), 0)
    at = max(0, same - 20)
    return [Fault("jump", f"{then[at:][:80]!r} → {today[at:][:80]!r}")]


def _final(state: Sequence[Seen], truth: Expected, max_units: int, door: Door) -> list[Fault]:
    faults = []
    text = "\n".join(seen.text for seen in state)
    wanted, found = truth.letters, squeezed(text)
    if door.name == "discord":
        # Stars and brackets of an address are written as their codes, which lead to the same place.
        text = _CODES.sub(lambda code: unquote(code[0]), text)
        wanted, found = (_CODES.sub(lambda code: unquote(code[0]), words) for words in (wanted, found))
    if door.name == "web":
        # The page numbers its lists itself (from any number, also right below a paragraph: ticked boxes are boxes
        # there), and knows no HTML in which marks (and the addresses of links) are only marks.
        wanted = squeezed(_MARKS_WITH_LETTERS.sub("", truth.text))
        wanted, found = (_NO_LETTER.sub("", words) for words in (wanted, found))
    if lost := missing(wanted, found):
        faults.append(Fault("final", f"lost from {lost[:60]!r} on, of {truth.letters!r}, in {text!r}"))
    longest = max(map(len, truth.tokens), default=0)
    known = truth.tokens
    if longest < max_units // 2 and len(state) > 1 and (split := [word for word in tokens(text) if word not in known]):
        unknown = [word for word in split if not word.isdecimal()]
        if unknown:
            faults.append(Fault("final", f"split words {unknown[:4]} in {[seen.text[-30:] for seen in state]}"))
    for url in (url for seen in state for url in seen.links):
        if url.startswith("http") and not HOSTS.allow(url):
            faults.append(Fault("final", f"a link to {host_of(url)}: {url}"))
    return faults
