"""Finds out whether a turn was a gap: a customer asked, no policy has the answer, and none was cited."""

import re
from collections.abc import Sequence

from bot.bursts import has_asking_word
from bot.chat import Source
from bot.engine.turn import RunningTurn
from bot.errors import StorageError
from bot.policies.live import Policies
from bot.policies.words import words_of
from bot.storage.turns import Gap, Outcome
from bot.text import fold

_NEAREST = 3
# What people say without asking anything, without marks and without English endings.
_SMALL_TALK_WORDS = """
thank thx tks ty tk lot good great nice cool perfect fine morn afternoon even night day welcome wow lol haha hihi hehe
kaka huhu uhm um uh uhu uk hm bot admin ad hallo helo hey bye
buoi sang chieu toi trua tot tuyet voi hay yeu thuong vang tu van duoc roi hieu ro r dc
"""
_THANKS = re.compile(
    r"\b(?:cam on|thanks?|thank you)\b[^.!?\n]{0,20}?\b(?:nhieu|nhiu|much|lot)\b|\b(?:cam on|thanks?)\b"
)
_SMALL_TALK = frozenset(_SMALL_TALK_WORDS.split())


async def gap_of(turn: RunningTurn, outcome: Outcome, sources: Sequence[Source]) -> Gap | None:
    """The gap that an answer has shown, or None. It searches: ask when the answer is out."""
    if outcome != "complete" or sources or turn.request is None or turn.messages[0].message.role != "customer":
        return None
    policies, asked = turn.policies, turn.asked
    if not asks_something(policies, asked, turn.language):
        return None
    try:
        if await turn.request.find():
            return None
    except StorageError:  # the answer is out: it is remembered, whatever else fails
        return None
    nearest = await policies.search(asked, language=turn.language, limit=_NEAREST)
    return Gap(asked, tuple(found.section.id for found in nearest))


def is_small_talk(policies: Policies, text: str, language: str) -> bool:
    """Whether a text is thanks, a greeting and the like: nothing that a policy could answer."""
    if any(map(str.isdigit, text)):  # a choice, a size, an order
        return False
    # "cảm ơn nhiều": how much somebody thanks is no question.
    folded = fold(text)
    rest = _THANKS.sub("", folded) if _THANKS.search(folded) else text
    return not has_asking_word(rest) and not asks_something(policies, rest, language)


def asks_something(policies: Policies, text: str, language: str) -> bool:
    """Whether a text asks for anything: greetings, thanks and bare numbers do not."""
    rest = " ".join(word.exact for word in words_of(text) if word.folded not in _SMALL_TALK)
    return any(not word.isdigit() for word in policies.telling_words(rest, language=language))
