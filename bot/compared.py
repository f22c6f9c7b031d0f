"""How `shopdesk check --compare` shows what two models made of the same questions."""

import json
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from decimal import Decimal

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from bot.comparison import Compared, Side, Total, compare, totals
from bot.config import read_config
from bot.costs import dollars, dong
from bot.llm.base import Usage
from bot.llm.prices import NANO
from bot.policy_commands.tried import MakeModel
from bot.settings import Settings
from bot.text import clean

WIDE = 110
"""From so many columns on, the two answers stand side by side."""


async def print_comparison(
    settings: Settings, names: tuple[str, str], questions: Sequence[str], make: MakeModel, *, as_json: bool
) -> bool:
    """Ask, and print what comes as it comes; as JSON all at the end. Whether every question was answered by both."""
    config, console = read_config(settings.config_file), Console(highlight=False)
    rate, compared = config.money.dong_per_dollar, list[Compared]()
    async with aclosing(compare(settings, config, names, questions, make)) as results:
        async for one in results:
            compared.append(one)
            if not as_json:
                show_compared(console, len(compared), one, rate)
    if as_json:
        console.file.write(json_of(compared, totals(compared), rate) + "\n")
    else:
        show_totals(console, totals(compared), rate)
    return not any(side.fault for one in compared for side in one.sides)


def show_compared(console: Console, number: int, one: Compared, rate: Decimal) -> None:
    """One question and its answers; `rate` is đồng for a dollar."""
    question = " → ".join(one.turns)
    console.print(Text(f"{number}. {clean(question)}", style="bold"))
    if console.width >= WIDE:
        grid = Table.grid(padding=(0, 3, 0, 0), expand=True)
        for _ in one.sides:
            grid.add_column(ratio=1, overflow="fold")
        for row in zip(*(_parts(side, rate) for side in one.sides), strict=True):
            grid.add_row(*row)
        console.print(grid)
    else:
        for side in one.sides:
            for part in _parts(side, rate):
                console.print(part)
            if side is not one.sides[-1]:
                console.print()
    console.print()


def show_totals(console: Console, found: Sequence[Total], rate: Decimal) -> None:
    """Both models over all questions."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("over all", overflow="fold")
    for column in ("answered", "first text", "whole", "tokens", "cost"):
        table.add_column(column, justify="right", overflow="fold")
    for one in found:
        answered = f"{one.answered} of {one.asked}"
        tokens = f"{one.usage.tokens:,}"
        cost = "\n".join(_cost(one.usage, one.is_priced, rate))
        table.add_row(Text(clean(one.model)), answered, _seconds(one.first_text), _seconds(one.total), tokens, cost)
    console.print(table)


def json_of(compared: Sequence[Compared], found: Sequence[Total], rate: Decimal) -> str:
    """The same for a program."""
    return json.dumps(
        {
            "ok": not any(side.fault for one in compared for side in one.sides),
            "questions": [
                {"turns": one.turns, "answers": [_side_values(side, rate) for side in one.sides]} for one in compared
            ],
            "totals": [_total_values(total, rate) for total in found],
        },
        ensure_ascii=False,
        indent=2,
    )


def _parts(side: Side, rate: Decimal) -> Iterator[RenderableType]:
    yield Text(clean(side.model), style="cyan")
    yield Text(" · ".join(_figures(side, rate)), style="dim")
    if side.fault:
        yield Text(clean(f"{side.fault[:1].upper()}{side.fault[1:]}"), style="red")
        yield Text()
        return
    yield Text(clean(side.text))
    names = [" › ".join(filter(None, (source.title, source.heading))) for source in side.sources]
    yield Text(clean(f"Sources: {'; '.join(names)}" if names else "No source cited."), style="dim")


def _figures(side: Side, rate: Decimal) -> Iterator[str]:
    if side.first_text is not None:
        yield f"first text {_seconds(side.first_text)}"
    yield f"whole {_seconds(side.total)}"
    usage = side.usage
    cached = f" + {usage.cache_read_tokens:,} cached" if usage.cache_read_tokens else ""
    yield f"{usage.input_tokens + usage.cache_write_tokens:,}{cached} in, {usage.output_tokens:,} out"
    yield ", ".join(_cost(usage, side.is_priced, rate))


def _cost(usage: Usage, is_priced: bool, rate: Decimal) -> tuple[str, ...]:
    return (dollars(usage.cost), dong(usage.cost, rate)) if is_priced else ("no price",)


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"


def _side_values(side: Side, rate: Decimal) -> dict[str, object]:
    return {
        "model": side.model,
        "answer": None if side.fault else side.text,
        "fault": side.fault or None,
        "first_text_ms": _milliseconds(side.first_text),
        "total_ms": _milliseconds(side.total),
        **_money(side.usage, side.is_priced, rate),
        "sources": [source.section_id for source in side.sources],
    }


def _total_values(total: Total, rate: Decimal) -> dict[str, object]:
    return {
        "model": total.model,
        "answered": total.answered,
        "asked": total.asked,
        "first_text_ms": _milliseconds(total.first_text),
        "total_ms": _milliseconds(total.total),
        **_money(total.usage, total.is_priced, rate),
    }


def _money(usage: Usage, is_priced: bool, rate: Decimal) -> dict[str, object]:
    tokens = {name: value for name, value in asdict(usage).items() if name != "cost"}
    cost = Decimal(usage.cost) / NANO
    return {
        "tokens": tokens,
        "dollars": float(cost) if is_priced else None,
        "dong": round(float(cost * rate), 2) if is_priced else None,
    }


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
