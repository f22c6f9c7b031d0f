"""The desk's buttons and choices of a person. Their names say what they do, so that they outlive the program."""

import re
from typing import Any, Protocol, Self, cast, get_args

import discord

from bot.desk import ActionKind

FORM = "desk-form:"
"""What the name of a form begins with; the action follows."""
KINDS: frozenset[str] = frozenset(get_args(ActionKind))


class Presses(Protocol):
    """Takes what is pressed and chosen."""

    async def pressed(self, interaction: discord.Interaction, kind: ActionKind) -> None: ...

    async def submitted(self, interaction: discord.Interaction) -> None: ...

    async def chosen(self, interaction: discord.Interaction, kind: ActionKind, whom: discord.abc.User) -> None: ...


def presses_of(interaction: discord.Interaction) -> Presses | None:
    """The desk of the client that an interaction came to."""
    return cast("Presses | None", getattr(interaction.client, "desk", None))


class DeskButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"desk:(?P<kind>[a-z_]+):(?P<mark>\w*)"):
    """One button. `mark` is that of its post's card."""

    def __init__(
        self,
        kind: ActionKind,
        mark: str,
        *,
        label: str = "…",
        style: discord.ButtonStyle = discord.ButtonStyle.secondary,
        row: int | None = None,
    ) -> None:
        self.kind = kind
        super().__init__(discord.ui.Button(label=label, style=style, custom_id=f"desk:{kind}:{mark}", row=row))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        if match["kind"] not in KINDS:
            raise ValueError("an action that this version does not know")
        return cls(cast(ActionKind, match["kind"]), match["mark"])

    async def callback(self, interaction: discord.Interaction) -> None:
        if (desk := presses_of(interaction)) is not None:
            await desk.pressed(interaction, self.kind)


class DeskPicker(discord.ui.DynamicItem[discord.ui.UserSelect[Any]], template=r"desk-who:(?P<kind>assign|transfer)"):
    """The choice of a person."""

    def __init__(self, kind: ActionKind, *, placeholder: str | None = None) -> None:
        self.kind = kind
        super().__init__(discord.ui.UserSelect(custom_id=f"desk-who:{kind}", placeholder=placeholder))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(cast(ActionKind, match["kind"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        desk = presses_of(interaction)
        if desk is not None and self.item.values:
            await desk.chosen(interaction, self.kind, self.item.values[0])


def form(kind: ActionKind, *, title: str, label: str, text: str = "", long: bool = False) -> discord.ui.Modal:
    """A form with one question. What is filled in is read from the event: this object may be of an earlier process."""
    modal = discord.ui.Modal(title=title[:45], custom_id=f"{FORM}{kind}", timeout=None)
    style = discord.TextStyle.paragraph if long else discord.TextStyle.short
    field: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id="text", style=style, default=text[:4000] or None, max_length=4000 if long else 100
    )
    modal.add_item(discord.ui.Label(text=label[:45], component=field))
    return modal


def filled_in(interaction: discord.Interaction) -> tuple[ActionKind, str] | None:
    """The action and the text of a form of the desk's that was sent off; None: it is none."""
    data = cast("dict[str, Any]", interaction.data or {})
    name = str(data.get("custom_id", ""))
    kind = name.removeprefix(FORM)
    if interaction.type is not discord.InteractionType.modal_submit or kind == name or kind not in KINDS:
        return None
    for row in data.get("components", ()):
        for field in (row.get("component"), *(row.get("components") or ())):
            if isinstance(field, dict) and field.get("custom_id") == "text":
                return cast(ActionKind, kind), str(field.get("value") or "")
    return cast(ActionKind, kind), ""
