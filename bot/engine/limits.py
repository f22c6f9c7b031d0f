"""What one answer may take."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Bytes are those of the file; in a request to a model it is a third larger."""

    each: int = 3_750_000
    """Claude takes 5 MB of base64 at most: https://platform.claude.com/docs/en/build-with-claude/vision"""
    together: int = 15_000_000
    count: int = 10
    seconds: float = 30.0
    """One that takes longer to come is left out."""
    at_once: int = 8
    """So many are fetched at the same time, for all conversations."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """From how long a wait on a customer is asked to excuse it, and whether he gets his answer then or is told
    that a person will look at it. Staff always get their answer."""

    after: timedelta = timedelta.max
    then: Literal["answer", "person"] = "answer"


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one answer may take. Texts are counted in characters, times in seconds."""

    max_text: int = 16_000
    history_tokens: int = 8_000
    section_tokens: int = 20_000
    """Policies that are longer than this are not given as a whole: the model gets what is found for the turn."""
    sections_found: int = 5
    tool_rounds: int = 4
    """So many times a model may call tools before it has to answer with what it has."""
    tool_calls: int = 8
    """So many calls of one round are made; the model is told that the others were not."""
    answer_tokens: int = 2_048
    pictures: PictureLimits = field(default_factory=PictureLimits)
    silence: float = 60.0
    """A stream that brings nothing for so long has failed."""
    streams: int = 500
    """Answers that are streamed at the same time; the others wait."""
    patience: float = 10.0
    """Who has seen nothing of the answer for so long is told that it is being worked on."""
    lateness: Lateness = field(default_factory=Lateness)
    joins: int = 3
    """So many times an answer is begun again because more was written; each time costs a request."""
