"""What customers ask and Claude answers, so that a chat alone tells which question each message belongs to."""

import re
import tomllib

from tests.bench.program import PROMPTS

TAG = re.compile(r"\b(?:tiny|short|long)\d+\b")
_HEAD = re.compile(r"Dạ ((?:(?:tiny|short|long)\d+ )*(?:tiny|short|long)\d+): ")
_TELLING = 40
"""So many characters at the beginning of a sentence tell it from all others."""


class Words:
    """`longest`: characters of a long answer, which should be several messages."""

    def __init__(self, *, longest: int, short: int = 400) -> None:
        self._lengths = {"tiny": 0, "short": short, "long": longest}

    def answer_to(self, question: str) -> str:
        """The answer to all questions that are asked: it names them at its beginning and at its end."""
        return self.answer(TAG.findall(question))

    def answer(self, tags: list[str]) -> str:
        """The answer to the questions with these tags, as long as the longest of them wants it."""
        if not tags:
            return "Dạ vâng ạ."
        length = max(self._lengths[re.sub(r"\d", "", tag)] for tag in tags)
        named = " ".join(tags)
        words = " ".join(f"chữ{number}" for number in range(length // 7))
        return " ".join(f"Dạ {named}: {words} hết {named}.".split())

    def asked(self, text: str) -> list[str]:
        """The tags that the beginning of an answer names; none, if it is no beginning of an answer."""
        found = _HEAD.match(text)
        return found[1].split() if found else []


def sentences() -> dict[str, str]:
    """What the program says by itself in the sample shop, each on one line."""
    said = tomllib.loads((PROMPTS / "sentences" / "vi.toml").read_text(encoding="utf-8"))
    return {key: " ".join(text.replace("{shop}", said["shop_name"]).split()) for key, text in said.items()}


def is_quoted(text: str) -> bool:
    """Whether the policies are quoted here, since no model answered."""
    said, flat = sentences(), " ".join(text.split()).lstrip("_")
    return any(flat.startswith(said[key].strip("_")[:_TELLING]) for key in ("fallback_notice", "fallback_nothing"))
