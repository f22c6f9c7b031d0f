"""What a model's tokens cost: the table that comes with the program, and what the operator has set above it."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.resources import files
from types import MappingProxyType

from bot.config import Price
from bot.llm.base import Usage

OFFLINE = "offline"
NANO = 1_000_000_000
"""Nano-dollars of a dollar: the unit of all costs."""
_NANO_PER_MILLIONTH = NANO // 1_000_000
_DATE = re.compile(r"[-@]20\d{6}$")
_FREE = Price(input=Decimal(0), output=Decimal(0))
_NO_PRICES: Mapping[str, Price] = MappingProxyType({})


class Prices:
    """Prices by the name by which a model is asked, `NAME:MODEL`.

    `own` are the operator's; their names are `NAME:MODEL`, or `MODEL` for whichever provider serves it. They count
    more than the table of the program. The name of a family stands for its dated versions, too.
    """

    def __init__(self, own: Mapping[str, Price] = _NO_PRICES) -> None:
        self._own = own
        self._shipped = shipped()
        self._found: dict[str, Price | None] = {OFFLINE: _FREE}

    def of(self, model: str) -> Price | None:
        """The price of a model; None: nobody has told it."""
        if model not in self._found:
            names = tuple(_names(model))
            tables = (self._own, self._shipped)
            self._found[model] = next((table[name] for table in tables for name in names if name in table), None)
        return self._found[model]

    def is_free(self, model: str) -> bool:
        """Whether it has a price, and that is nothing."""
        price = self.of(model)
        return price is not None and cost_of(price, Usage(*[10**6] * 4)) == 0

    def cost(self, model: str, usage: Usage) -> int:
        """What these tokens of one request cost, in nano-dollars; 0 where there is no price."""
        price = self.of(model)
        return cost_of(price, usage) if price else 0


def cost_of(price: Price, usage: Usage) -> int:
    """What the tokens of one request cost, in nano-dollars: exact, and rounded once."""
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    total = (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_read_tokens * read
        + usage.cache_write_tokens * write
    )
    prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    if price.above is not None and prompt > price.above:
        total *= price.factor
    return int((total * _NANO_PER_MILLIONTH).to_integral_value(ROUND_HALF_EVEN))


def shipped() -> Mapping[str, Price]:
    """The table that comes with the program."""
    text = files("bot.llm").joinpath("prices.toml").read_text(encoding="utf-8")
    return MappingProxyType(
        {name: Price.model_validate(table) for name, table in tomllib.loads(text, parse_float=Decimal).items()}
    )


def _names(model: str) -> Iterator[str]:
    """Under what a model may stand in a table, the nearest first."""
    bare = model.partition(":")[2]
    for name in (model, bare):
        yield name
        yield _DATE.sub("", name)
