"""What tokens cost, to the nano-dollar."""

from decimal import Decimal

import pytest

from bot.config import Price
from bot.llm.base import Usage
from bot.llm.prices import Prices, cost_of, shipped

HAIKU = "anthropic:claude-haiku-5-5"
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("usage", "nano_dollars"),
    [
        (Usage(), 0),
        (Usage(input_tokens=1), 100),
        (Usage(output_tokens=1), 500),
        (Usage(cache_read_tokens=1), 10),
        (Usage(cache_write_tokens=1), 125),
        (Usage(10, 20, 30, 40), 1_000 + 10_000 + 300 + 5_000),
        (Usage(output_tokens=2 * MILLION), 1_000_000_000),
    ],
)
def test_each_kind_of_token_has_its_price(usage: Usage, nano_dollars: int) -> None:
    assert Prices().cost(HAIKU, usage) == nano_dollars


def test_a_long_prompt_makes_all_of_the_request_dearer_and_cached_tokens_are_part_of_it() -> None:
    prices = Prices()
    assert prices.cost(HAIKU, Usage(100_000, 1)) == 10_000_000 + 500
    assert prices.cost(HAIKU, Usage(100_001, 1)) == 5 * (10_000_100 + 500)
    assert prices.cost(HAIKU, Usage(1, 1, 60_000, 40_000)) == 5 * (100 + 500 + 600_000 + 5_000_000)
    assert prices.cost(HAIKU, Usage(0, 200_000)) == 100_000_000
    assert prices.cost("anthropic:claude-sonnet-5-5", Usage(500_000)) == 1_000_000_000


@pytest.mark.parametrize(
    "name",
    [HAIKU, f"{HAIKU}-20261001", f"{HAIKU}@20261001", "gateway:claude-haiku-5-5", "gateway:claude-haiku-5-5-20261001"],
)
def test_a_dated_name_falls_to_its_family_whoever_serves_it(name: str) -> None:
    assert Prices().of(name) == shipped()["claude-haiku-5-5"]


@pytest.mark.parametrize(
    "name", ["", "anthropic", "ollama:llama3:8b", "anthropic:claude-haiku-5-5-fast", "anthropic:claude-haiku-5"]
)
def test_another_model_has_no_price_rather_than_one_that_is_guessed(name: str) -> None:
    assert Prices().of(name) is None
    assert Prices().cost(name, Usage(1000, 1000)) == 0


def test_offline_is_free_which_is_not_unknown() -> None:
    price = Prices().of("offline")
    assert price is not None
    assert cost_of(price, Usage(1000, 1000)) == 0


def test_what_the_operator_sets_counts_more_and_the_fuller_name_more_than_the_shorter() -> None:
    cheap, dear, local = (Price(input=Decimal(n), output=Decimal(n)) for n in ("0.5", "50", "0"))
    prices = Prices({"claude-haiku-5-5": cheap, "gateway:claude-haiku-5-5": dear, "llama3:8b": local})
    assert prices.of(HAIKU) == prices.of(f"{HAIKU}-20261001") == cheap
    assert prices.of("gateway:claude-haiku-5-5") == prices.of("gateway:claude-haiku-5-5-20261001") == dear
    assert prices.of("ollama:llama3:8b") == local


def test_without_prices_of_their_own_cached_tokens_cost_what_the_others_cost() -> None:
    price = Price(input=Decimal(3), output=Decimal(15))
    assert cost_of(price, Usage(1, 1, 1, 1)) == 3 * 3_000 + 15_000


def test_fractions_of_a_nano_dollar_are_added_up_before_they_are_rounded() -> None:
    price = Price(input=Decimal("0.0004"), output=Decimal("0.0001"))
    assert cost_of(price, Usage(1, 1)) == 0
    assert cost_of(price, Usage(1, 2)) == 1
    assert cost_of(price, Usage(10**15, 1)) == 4 * 10**14


def test_the_table_has_a_price_for_each_kind_of_token() -> None:
    assert all(price.cache_read is not None and price.cache_write is not None for price in shipped().values())
