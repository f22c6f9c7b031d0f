"""What the door is given by the root: descriptions of the commands, and sentences."""

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from adapters.discord.desk.commands import DESCRIBED

Sentence = Callable[[str, str | None], str]
"""Gives the sentence of a key (those of `SENTENCES`) in a language such as `vi`; None: the shop's own."""

SENTENCES: Mapping[str, Mapping[str, str]] = {
    "vi": {
        "staff_only": "Lệnh này chỉ dành cho nhân viên của shop.",
        "stopped": "Đã dừng câu trả lời.",
        "not_taken": "Shop chưa nhận được câu hỏi này. Bạn thử lại sau ít phút nhé.",
    },
    "en": {
        "staff_only": "This command is for the shop's staff only.",
        "stopped": "The answer was stopped.",
        "not_taken": "The question could not be taken just now. Please try again in a few minutes.",
    },
}

DESCRIPTIONS: Mapping[str, Mapping[str, str]] = {
    "vi": {
        "ask": "Hỏi về chính sách của shop",
        "question": "Câu hỏi của bạn",
        "new": "Bắt đầu cuộc trò chuyện mới",
        "stop": "Dừng câu trả lời đang viết",
        "help": "Xem bot làm được những gì",
    },
    "en": {
        "ask": "Ask about the shop's policies",
        "question": "Your question",
        "new": "Start a new conversation",
        "stop": "Stop the answer that is being written",
        "help": "See what the bot can do",
    },
}
"""Language → what Discord shows beside each command; at most 100 characters each."""


def builtin_sentence(key: str, language: str | None) -> str:
    """The sentence as it stands here, else in `prompts/`; English for a language that is not here."""
    own = SENTENCES.get(language or "en", SENTENCES["en"])
    return own[key] if key in own else prompts(language or "en")[key]


@cache
def prompts(language: str) -> Mapping[str, str]:
    """The sentences of the sample shop."""
    folder = Path(__file__).parents[3] / "prompts" / "sentences"
    file = folder / f"{language}.toml"
    return tomllib.loads((file if file.exists() else folder / "en.toml").read_text("utf-8"))


def desk_descriptions() -> Mapping[str, Mapping[str, str]]:
    """`DESCRIPTIONS` with the commands of the staff's desk."""
    return {
        language: {**words, **{name: prompts(language)[f"command_desk_{name}"] for name in DESCRIBED}}
        for language, words in DESCRIPTIONS.items()
    }
