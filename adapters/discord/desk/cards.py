"""What stands at the top of a post: the card of a case, with the buttons that its state allows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord

from adapters.discord.desk.buttons import DeskButton
from bot.desk import ActionKind, Card, CaseState
from bot.text import clean, one_line

Words = Callable[[str], str]
"""A sentence of the shop's own language by its key."""

LONGEST_EMBED = 4000
LONGEST_TEXT = 1900
_COLOURS: Mapping[CaseState, int] = {"waiting": 0xE0543E, "human": 0x2E9E5B, "resolved": 0x7C8794}
_ROWS: Mapping[CaseState, Sequence[Sequence[ActionKind]]] = {
    "waiting": (("take", "resolve", "draft", "note"), ("assign", "snooze", "close_later", "block")),
    "human": (("release", "resolve", "draft", "note"), ("transfer", "snooze", "close_later", "block")),
    "resolved": (("reopen", "take", "note"),),
}
_PROMINENT: Mapping[ActionKind, discord.ButtonStyle] = {
    "take": discord.ButtonStyle.success,
    "resolve": discord.ButtonStyle.primary,
    "draft_send": discord.ButtonStyle.success,
    "block": discord.ButtonStyle.danger,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as Discord takes it; `mark` of a card is in its buttons, so that it can be found again."""

    content: str
    embeds: Sequence[discord.Embed]
    view: discord.ui.View | None

    def body(self) -> dict[str, Any]:
        """The fields of a new message."""
        body: dict[str, Any] = {"allowed_mentions": discord.AllowedMentions.none().to_dict()}
        if self.content:
            body["content"] = self.content
        if self.embeds:
            body["embeds"] = [embed.to_dict() for embed in self.embeds]
        if self.view is not None:
            body["components"] = self.view.to_components()
        return body

    def key(self) -> str:
        """Two that look the same have the same."""
        return repr(sorted(self.body().items(), key=lambda item: item[0]))


def shown_card(card: Card, text: str, mark: str, words: Words, *, embeds: bool) -> Shown:
    """`text`: that of the card as Discord's Markdown. Without the permission for `embeds` it is shorter."""
    state = _state_words(card, words)
    if embeds:
        body = _cut(f"{state}\n\n{text}", LONGEST_EMBED)
        return Shown("", [discord.Embed(description=body, colour=_COLOURS[card.state])], card_view(card, mark, words))
    return Shown(_cut(f"{state}\n\n{text}", LONGEST_TEXT), [], card_view(card, mark, words))


def card_view(card: Card, mark: str, words: Words) -> discord.ui.View:
    """The buttons; they work for good, also after a restart."""
    view = discord.ui.View(timeout=None)
    for row, kinds in enumerate(_ROWS[card.state]):
        for kind in kinds:
            kind = "unblock" if kind == "block" and card.is_blocked else kind
            view.add_item(button(kind, mark, words, row=row))
    return view


def offers_view(kinds: Sequence[ActionKind], mark: str, words: Words) -> discord.ui.View | None:
    """The buttons under a message of the desk's."""
    if not kinds:
        return None
    view = discord.ui.View(timeout=None)
    for kind in kinds[:5]:
        view.add_item(button(kind, mark, words))
    return view


def button(kind: ActionKind, mark: str, words: Words, *, row: int | None = None) -> DeskButton:
    label = one_line(words(f"desk_button_{kind}"), 80)
    return DeskButton(kind, mark, label=label, style=_PROMINENT.get(kind, discord.ButtonStyle.secondary), row=row)


def _state_words(card: Card, words: Words) -> str:
    parts = [f"**{words(f'desk_tag_{card.state}')}**"]
    if card.taken_by is not None and card.state == "human":
        parts.append(discord.utils.escape_markdown(one_line(clean(card.taken_by.name))))
    if card.is_snoozed and card.state != "resolved":
        parts.append(words("desk_tag_snoozed"))
    if card.is_blocked:
        parts.append(words("desk_tag_blocked"))
    parts += [discord.utils.escape_markdown(one_line(clean(label))) for label in card.labels]
    return " · ".join(parts)


def _cut(text: str, limit: int) -> str:
    text = text.strip()
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"
