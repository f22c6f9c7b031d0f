"""What the loopback model says: an answer as steps, the answer it makes up by itself, and faults."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.text import fold

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Say:
    """Text, sent in pieces at the server's rate."""

    text: str


@dataclass(frozen=True, slots=True)
class Think:
    """A thinking block. With an empty text only its signature is sent, as with `display: omitted`."""

    text: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Cite:
    """The text before it relies on the search result with this `source`."""

    source: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    """End with this `stop_reason` instead of `end_turn`."""

    reason: str


@dataclass(frozen=True, slots=True)
class UseTool:
    """UseTool a tool. `written` is what is streamed as its arguments, word for word, instead of their JSON."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    written: str | None = None


Step = Say | Think | Cite | UseTool | Pause | Stop
Script = str | Sequence[Step]
Answer = Script | Callable[[Body], Script]

FaultKind = Literal[
    "http", "html", "slow", "sse_error", "bad_json", "cut", "reset", "eof", "stall", "pings", "no_usage", "json_body"
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong.

    `after` counts text deltas: the fault strikes when so many were sent; None is just before
    `message_stop`. `times` requests are hit, None means all until `heal`; `when` chooses requests.
    `http` answers with `status`; `slow` waits `seconds` before the first byte.
    """

    kind: FaultKind
    status: int = 529
    after: int | None = 0
    times: int | None = 1
    retry_after: str | None = None
    seconds: float = 0.0
    error_type: str = "overloaded_error"
    message: str = "Overloaded"
    when: Callable[[Body], bool] | None = None


def as_steps(answer: Answer, body: Body) -> Sequence[Step]:
    script = answer(body) if callable(answer) else answer
    return (Say(script),) if isinstance(script, str) else script


def pieces(text: str, size: int) -> Iterator[str]:
    """The text in pieces of about `size` characters, as tokens come: mostly a space and a word."""
    piece = ""
    for token in re.findall(r"\s*\S+|\s+$", text) or [text]:
        if piece and len(piece) + len(token) > size:
            yield piece
            piece = ""
        piece += token
        while len(piece) > 2 * size:
            yield piece[:size]
            piece = piece[size:]
    if piece:
        yield piece


_NOTHING_VI = "Dạ, mình chưa thấy thông tin này trong chính sách của shop. Bạn gọi hotline giúp mình nhé ạ."
_NOTHING_EN = "I could not find that in the shop's policies. Please call our hotline."


def believable(body: Body) -> Sequence[Step]:
    """An answer out of the search results that share words with the question, cited; else an honest no."""
    question = question_of(body)
    words = set(re.findall(r"\w{2,}", fold(question)))
    vietnamese = not question.isascii()
    scored = sorted(
        ((_score(words, block), -index, block) for index, block in enumerate(search_results(body))),
        key=lambda row: row[:2],
        reverse=True,
    )
    best = [block for score, _, block in scored if score > 0][:2]
    if not best:
        return (Say(_NOTHING_VI if vietnamese else _NOTHING_EN),)
    steps: list[Step] = [Say("Dạ, theo chính sách của shop:\n\n" if vietnamese else "According to our policies:\n\n")]
    for block in best:
        text = " ".join(part["text"] for part in block["content"])
        steps += [Say(f"**{block['title']}**: {_beginning(text)}\n\n"), Cite(block["source"])]
    steps.append(Say("Bạn cần mình giúp gì thêm không ạ?" if vietnamese else "Is there anything else I can help with?"))
    return steps


def question_of(body: Body) -> str:
    """The words of the last user message that is no results of tools, without what is behind the cache breakpoint."""
    content = next(
        message["content"]
        for message in reversed(body["messages"])
        if message["role"] == "user" and not results_of(message)
    )
    if isinstance(content, str):
        return content
    marked = [index for index, block in enumerate(content) if block["type"] == "text" and "cache_control" in block]
    kept = content[: marked[-1] + 1] if marked else content
    return "\n".join(block["text"] for block in kept if block["type"] == "text")


def results_of(message: Body) -> list[Body]:
    """The results of tools that a message holds."""
    content = message["content"]
    return [block for block in content if block["type"] == "tool_result"] if isinstance(content, list) else []


def search_results(body: Body) -> Iterator[Body]:
    """Those of the messages, and those in the results of tools."""
    for message in body["messages"]:
        groups = [message["content"], *(block.get("content") for block in results_of(message))]
        for group in groups:
            if isinstance(group, list):
                yield from (block for block in group if block["type"] == "search_result")


def _score(words: set[str], block: Body) -> float:
    title = set(re.findall(r"\w{2,}", fold(block["title"])))
    text = set(re.findall(r"\w{2,}", fold(" ".join(part["text"] for part in block["content"]))))
    return 3 * len(words & title) + len(words & text)


def _beginning(text: str, limit: int = 320) -> str:
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(text.split()))
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(kept) + len(sentence) > limit:
            break
        kept += " " + sentence
    return kept
