"""What answers have cost, as `shopdesk stats` shows it: in dollars and in đồng, beside the day's budget."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, get_args

from rich.cells import cell_len, set_cell_size

from bot.config import Budgets, Config
from bot.storage.costs import Costs, Spend, Today
from bot.storage.spending import Amount
from bot.text import one_line

By = Literal["day", "model", "key", "platform", "customer"]
GROUPS: tuple[By, ...] = get_args(By)
WIDE = 116
"""From so many columns on, each kind of token has its own."""
_NANO = Decimal(1_000_000_000)
_NAME = 28


def cost_lines(costs: Costs, config: Config, *, by: By, width: int) -> Iterator[str]:
    """The table of one grouping, and what must be known to read it."""
    if not costs.total.answers:
        return
    rows: Sequence[Spend] = getattr(costs, f"by_{by}")
    rate, wide = config.money.dong_per_dollar, width >= WIDE
    yield _row(f"costs by {by}", "answers", _heads(wide), "cached", "dollars", "đồng")
    whole = "all, staff's questions too" if by == "customer" else "all"
    for one in (*rows, replace(costs.total, name=whole)):
        share = one.cache_hit_rate
        hits = "" if share is None else f"{100 * share:.1f} %"
        money = ("no price", "") if one.unpriced_tokens and not one.cost else (_dollars_of(one), dong(one.cost, rate))
        yield _row(one_line(one.name) or "not known", f"{one.answers:,}", _tokens(one, wide), hits, *money)
    if costs.total.cost:
        least = "at least " if costs.total.unpriced_tokens else ""
        yield f"An answer costs {least}{dollars(costs.total.cost // costs.total.answers)} on average."
    for model, tokens in costs.without_price:
        bare = model.partition(":")[2] or model
        yield f"{tokens:,} tokens of {model} had no price when they were used:"
        yield f'  set [prices."{bare}"] in shopdesk.toml.'
    if costs.total.estimated_tokens:
        words = "tokens are estimated: of answers that broke off before they were counted."
        yield f"{costs.total.estimated_tokens:,} {words}"


def today_lines(today: Today, config: Config) -> Iterator[str]:
    """What was spent today, and what of the budgets that is."""
    budgets, cost, tokens = config.budgets, today.shop.cost, today.shop.tokens
    share = ""
    if budgets.shop_dollars is not None:
        share = _share(cost, budgets.shop_dollars * _NANO, dollars(int(budgets.shop_dollars * _NANO)))
    yield f"{'spent today':<16}{dollars(cost):>10}  {dong(cost, config.money.dong_per_dollar)}{share}"
    share = _share(tokens, Decimal(budgets.shop_tokens), f"{budgets.shop_tokens:,}") if budgets.shop_tokens else ""
    yield f"{'':<16}{tokens:>10,}  tokens{share}"
    if budgets.customer_dollars is not None or budgets.customer_tokens is not None:
        over = sum(_is_over(one, budgets) for one in today.customers)
        yield f"{'':<16}{over:>10,}  customers over their budget"
    if today.refused:
        yield f"{'':<16}{today.refused:>10,}  answers left to a person, since a budget was spent"


def cost_values(costs: Costs, today: Today, config: Config) -> dict[str, object]:
    """The same for a program; costs are in dollars and đồng, and exact in nano-dollars."""
    rate, budgets = config.money.dong_per_dollar, config.budgets
    groups = {f"by_{by}": [_values(one, rate) for one in getattr(costs, f"by_{by}")] for by in GROUPS}
    shop = {"dollars": _number(today.shop.cost), "dong": _dong(today.shop.cost, rate), "tokens": today.shop.tokens}
    return {
        "dong_per_dollar": float(rate),
        "costs": {"total": _values(costs.total, rate), **groups, "without_price": dict(costs.without_price)},
        "today": {
            "day": today.day,
            **shop,
            "refused": today.refused,
            "customers_over_budget": sum(_is_over(one, budgets) for one in today.customers),
        },
        "budgets": {
            name: float(value) if isinstance(value, Decimal) else value for name, value in budgets.model_dump().items()
        },
    }


def dollars(cost: int) -> str:
    """Nano-dollars as people read them: to the sixth decimal below a dollar, to the cent above."""
    amount = Decimal(cost) / _NANO
    if not cost or abs(amount) >= 1:
        return f"${amount:,.2f}"
    return "<$0.000001" if 0 < cost < 500 else f"${amount:.6f}"


def dong(cost: int, rate: Decimal) -> str:
    """Nano-dollars in đồng, at so many for a dollar."""
    amount = Decimal(cost) / _NANO * rate
    return f"{amount:,.0f} ₫" if amount >= 10 or not cost else f"{amount:.2f} ₫"


def _dollars_of(one: Spend) -> str:
    return f"{'≥ ' if one.unpriced_tokens else ''}{dollars(one.cost)}"


def _row(name: str, answers: str, tokens: Sequence[str], cached: str, money: str, vnd: str) -> str:
    cells = "".join(f" {one:>{10 if len(tokens) > 1 else 8}}" for one in tokens)
    if cell_len(name) > _NAME:
        name = f"{set_cell_size(name, _NAME - 1)}…"
    return f"{set_cell_size(name, _NAME)}{answers:>8}{cells} {cached:>8} {money:>12} {vnd:>12}".rstrip()


def _heads(wide: bool) -> Sequence[str]:
    return ("input", "output", "from cache", "to cache") if wide else ("tokens",)


def _tokens(one: Spend, wide: bool) -> Sequence[str]:
    parts = (one.input_tokens, one.output_tokens, one.cache_read_tokens, one.cache_write_tokens)
    return [f"{part:,}" for part in parts] if wide else [_short(one.tokens)]


def _short(number: int) -> str:
    """Exact below a million."""
    return f"{number:,}" if number < 10**6 else f"{number / 10**6:,.1f} M"


def _share(spent: int, most: Decimal, words: str) -> str:
    return f", {100 * spent / most:.0f} % of {words}" if most else f" of {words}"


def _is_over(spent: Amount, budgets: Budgets) -> bool:
    most, tokens = budgets.customer_dollars, budgets.customer_tokens
    return (most is not None and spent.cost >= most * _NANO) or (tokens is not None and spent.tokens >= tokens)


def _values(one: Spend, rate: Decimal) -> dict[str, object]:
    money = {"dollars": _number(one.cost), "dong": _dong(one.cost, rate), "nano_dollars": one.cost}
    values = {name: value for name, value in asdict(one).items() if name != "cost"}
    return {**values, "tokens": one.tokens, "cache_hit_rate": one.cache_hit_rate, **money}


def _number(cost: int) -> float:
    return float(Decimal(cost) / _NANO)


def _dong(cost: int, rate: Decimal) -> float:
    return float((Decimal(cost) / _NANO * rate).quantize(Decimal("0.01"), ROUND_HALF_UP))
