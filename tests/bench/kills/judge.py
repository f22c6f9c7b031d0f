"""What the chats say: which message was not answered, which twice, and what was left half."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.bench.kills.words import TAG, Words


@dataclass(frozen=True, slots=True)
class Expected:
    """What one chat should hold: answers to the questions with these tags, in this order, and sentences.

    `optional` are those that a later start afresh made pointless; `endings` may stand under an answer that
    was ended early; `welcome` may stand there and need not.
    """

    tags: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    sentences: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    welcome: tuple[str, ...] = ()

    def also(self, tag: str) -> "Expected":
        """The same, and an answer to this."""
        return replace(self, tags=(*self.tags, tag))


@dataclass(slots=True)
class Verdict:
    """Questions without a final reply and with more than one; messages that show a part of an answer, and those
    that show anything else; chats whose answers are not in the order of the questions."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    beginnings: int = 0
    strange: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)


def judge(chats: Mapping[str, Sequence[str]], expected: Mapping[str, Expected], words: Words) -> Verdict:
    verdict = Verdict()
    for chat, wanted in expected.items():
        _judge_chat(chat, [" ".join(text.split()) for text in chats.get(chat, ())], wanted, words, verdict)
    return verdict


def _judge_chat(chat: str, texts: Sequence[str], wanted: Expected, words: Words, verdict: Verdict) -> None:
    finals, left = _finals(texts, wanted, words)
    covered = Counter(tag for tags in finals for tag in tags)
    said = Counter(text for text in left if text in wanted.sentences)
    due = Counter(wanted.sentences)
    verdict.lost += [tag for tag in wanted.tags if not covered[tag] and tag not in wanted.optional]
    verdict.lost += [f"{chat}: {sentence}" for sentence in due if said[sentence] < due[sentence]]
    verdict.doubled += [tag for tag, count in covered.items() if count > 1]
    verdict.doubled += [f"{chat}: {sentence}" for sentence in due if said[sentence] > due[sentence]]
    order = [wanted.tags.index(tag) for tags in finals for tag in tags if tag in wanted.tags]
    if not verdict.doubled and order != sorted(order):
        verdict.disordered.append(chat)
    begun = [*wanted.sentences, *wanted.endings, *wanted.welcome, *(words.answer([tag]) for tag in wanted.tags)]
    for text in left:
        if text in (*wanted.sentences, *wanted.endings, *wanted.welcome):
            continue
        tags = TAG.findall(text)
        if any(text in whole for whole in begun) or (tags and text in words.answer(tags[: len(set(tags))])):
            verdict.beginnings += 1
        else:
            verdict.strange.append(f"{chat}: {text[:80]}")


def _finals(texts: Sequence[str], wanted: Expected, words: Words) -> tuple[list[list[str]], list[str]]:
    """The tags of each complete answer, and the messages that belong to none."""
    used, found = set[int](), list[list[str]]()
    for number, text in enumerate(texts):
        tags = words.asked(text)
        if not tags or number in used:
            continue
        if text.endswith(wanted.endings):
            used.add(number)
            found.append(tags)
        elif parts := _complete(texts, number, words.answer(tags)):
            used.update(parts)
            found.append(tags)
    return found, [text for number, text in enumerate(texts) if number not in used]


def _complete(texts: Sequence[str], number: int, rest: str) -> list[int]:
    """The messages from this one on that together show the rest of an answer; none, if they do not."""
    if not rest.startswith(texts[number]):
        return []
    rest = rest[len(texts[number]) :].lstrip()
    if not rest:
        return [number]
    for other in range(number + 1, len(texts)):
        if behind := _complete(texts, other, rest):
            return [number, *behind]
    return []
