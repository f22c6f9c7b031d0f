"""The questions over the sample shop, in every spelling, and how well they are answered."""

import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bot.text import fold

Part = Literal["tune", "held_out", "blind", "fresh"]
PARTS: tuple[Part, ...] = ("tune", "held_out", "blind", "fresh")
SPELLINGS: Mapping[str, str] = {
    "marks": "Vietnamese, with marks",
    "nfd": "the same, decomposed",
    "bare": "the same, without marks",
    "chat": "the same, as in a chat",
    "english": "English",
}
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in one spelling; `find` holds the ids of the sections that answer it, none for what no
    policy is about; `before` what was asked earlier, oldest first."""

    text: str
    spelling: str
    find: frozenset[str] = frozenset()
    own: bool = False
    """It uses the words of the section."""
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Questions:
    """One part of the set."""

    asked: tuple[Question, ...]
    off_topic: tuple[Question, ...]
    second_turns: tuple[Question, ...]


def read(part: Part) -> Questions:
    """The questions of one part, Vietnamese ones in each spelling that they have."""
    with open(_FOLDER / f"{part}.toml", "rb") as file:
        table = tomllib.load(file)
    return Questions(
        *(
            tuple(question for entry in table[key] for question in _spelled(entry))
            for key in ("questions", "off_topic", "turns")
        )
    )


def _spelled(entry: Mapping[str, object]) -> list[Question]:
    language = "vi" if "vi" in entry else "en"
    find = frozenset(f"{language}/{answer}" for answer in str(entry.get("find", "")).split())
    own = bool(entry.get("own"))
    before = entry.get("before", [])
    assert isinstance(before, list)
    if language == "en":
        return [Question(str(entry["en"]), "english", find, own, tuple(before))]
    ways: dict[str, Callable[[str], str]] = {
        "marks": str,
        "nfd": lambda text: unicodedata.normalize("NFD", text),
        "bare": _bare,
    }
    text = str(entry["vi"])
    spelled = [
        Question(way(text), spelling, find, own, tuple(way(one) for one in before)) for spelling, way in ways.items()
    ]
    return spelled + ([Question(str(entry["chat"]), "chat", find, own)] if "chat" in entry else [])


def _bare(text: str) -> str:
    """Without marks, but in the case in which it was typed."""
    return "".join(fold(char) if char.islower() else fold(char).upper() for char in unicodedata.normalize("NFC", text))


@dataclass(slots=True)
class Score:
    """How well questions were answered; `ranks` holds the place of the first right section, 0 for none."""

    ranks: list[int] = field(default_factory=list)
    good: int = 0
    """So many times what was found was called good enough."""

    def add(self, found: Sequence[str], question: Question, good: bool) -> None:
        self.ranks.append(next((place for place, one in enumerate(found, start=1) if one in question.find), 0))
        self.good += good

    def recall(self, at: int) -> float:
        return sum(0 < rank <= at for rank in self.ranks) / len(self.ranks)

    @property
    def mean_reciprocal_rank(self) -> float:
        return sum(1 / rank for rank in self.ranks if rank) / len(self.ranks)

    @property
    def accepted(self) -> float:
        return self.good / len(self.ranks)
