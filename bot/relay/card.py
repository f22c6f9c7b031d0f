"""The card of a case: all that staff must know at a glance, in their language. A pure function of what is stored."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import regex

from bot.desk import Card
from bot.relay.words import Words
from bot.storage.casefiles import CaseFile
from bot.storage.cases import Case
from bot.text import clean, one_line

_TITLE = 90
_NAME = 32
_SUMMARY = 700
_TURN = 220
_ORDERS = 8
_SOURCES = 6
MOST = 1900
"""A card is no longer than a message on Discord takes."""
_MARKDOWN = regex.compile(r"([\\`*_~\[\]<>|#@])")
_ANY_ORDER = r"\p{Lu}{2,4}-?\d{4,12}|#\d{3,12}"
_LANGUAGES = {"vi": "Tiếng Việt", "en": "English"}


def card_of(case: Case, file: CaseFile, words: Words, *, prefixes: Sequence[str], now: datetime) -> Card:
    """`prefixes`: what the shop's order numbers begin with."""
    return Card(
        title=_title(case, file, words),
        text=_fitting(_head(case, file, words, now), _facts(case, file, words, prefixes), _turns(file, words)),
        state=case.state,
        taken_by=case.taken_by,
        is_snoozed=case.snoozed_until is not None,
        is_blocked=case.is_blocked,
        labels=case.labels,
    )


def orders_in(texts: Iterable[str], prefixes: Sequence[str]) -> tuple[str, ...]:
    """The order numbers that these texts name, each once, as they stand there first."""
    known = "|".join(rf"{regex.escape(prefix)}[- ]?\d{{3,12}}" for prefix in prefixes)
    pattern = regex.compile(
        rf"(?<![\p{{L}}\p{{N}}])(?:{known or _ANY_ORDER})(?!\p{{N}})", regex.IGNORECASE * bool(known)
    )
    found: dict[str, str] = {}
    for text in texts:
        for match in pattern.findall(text):
            found.setdefault(match.upper().replace(" ", "").replace("-", ""), match)
    return tuple(found.values())[:_ORDERS]


def safe(text: str, limit: int) -> str:
    """Somebody else's words in one line of Markdown that they cannot change."""
    return _MARKDOWN.sub(r"\\\1", one_line(clean(text), limit))


def _title(case: Case, file: CaseFile, words: Words) -> str:
    topic = case.summary or next((turn.text for turn in reversed(file.turns) if turn.role == "customer"), "")
    name = one_line(clean(file.name), _NAME) or file.address.chat_id
    return one_line(f"{name} · {clean(topic) or words.reason(case.reason)}", _TITLE)


def _head(case: Case, file: CaseFile, words: Words, now: datetime) -> list[str]:
    language = file.language or words.say("card_nothing")
    lines = [
        f"**{safe(file.name, _NAME) or '?'}** · {words.say('card_where')}: {safe(file.address.platform, 20)} "
        f"`{file.address.chat_id[:40].replace('`', '')}`",
        f"{words.say('card_language')}: {_LANGUAGES.get(language, language)}"
        f" · {words.say('card_since')}: {words.moment(file.since, now)} · {words.say('card_case')} {file.cases}",
        f"**{words.say('card_reason')}:** {words.reason(case.reason)} · {words.say('card_opened')}: "
        f"{words.moment(case.opened_at, now)}",
    ]
    if case.is_blocked:
        lines.append(words.say("card_blocked"))
    if case.resolved_at:
        lines.append(f"**{words.say('card_resolved')}:** {words.moment(case.resolved_at, now)}")
    else:
        by = safe(case.taken_by.name, _NAME) if case.taken_by else words.say("card_nobody")
        lines.append(f"**{words.say('card_by')}:** {by}")
    if case.snoozed_until:
        lines.append(f"**{words.say('card_snoozed')}:** {words.moment(case.snoozed_until, now)}")
    if case.close_at:
        lines.append(f"**{words.say('card_closing')}:** {words.moment(case.close_at, now)}")
    return lines


def _facts(case: Case, file: CaseFile, words: Words, prefixes: Sequence[str]) -> list[str]:
    asked = case.summary or next((turn.text for turn in reversed(file.turns) if turn.role == "customer"), "")
    orders = orders_in([*file.texts, case.summary], prefixes)
    answers = sum(turn.role == "assistant" for turn in file.turns)
    tried = [words.say("card_answers", count=answers)] if answers else []
    tried += [words.say("card_gap", question=safe(question, 80)) for question in file.gaps]
    sources = list(dict.fromkeys(source for turn in file.turns for source in turn.sources))[-_SOURCES:]
    facts = {
        "card_asked": safe(asked, _SUMMARY),
        "card_orders": ", ".join(f"`{order}`" for order in orders),
        "card_tried": "; ".join(tried),
        "card_sources": "; ".join(safe(source, 100) for source in sources),
    }
    return [f"**{words.say(key)}:** {value or words.say('card_nothing')}" for key, value in facts.items()]


def _turns(file: CaseFile, words: Words) -> list[str]:
    lines = [f"> **{words.say(f'role_{turn.role}')}:** {safe(turn.text, _TURN)}" for turn in file.turns]
    return [f"**{words.say('card_turns')}:**", *lines] if lines else []


def _fitting(head: list[str], facts: list[str], turns: list[str]) -> str:
    """Of the turns, the oldest go first when there is no room."""
    while len("\n".join([*head, *facts, *turns]).encode("utf-16-le")) // 2 > MOST and len(turns) > 1:
        del turns[1]
    return "\n".join([*head, *facts, *turns])[:MOST]
