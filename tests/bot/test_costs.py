"""Costs as people read them, in eighty columns and in more."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from rich.cells import cell_len

from bot.config import Budgets, Config, Money
from bot.costs import GROUPS, WIDE, cost_lines, cost_values, dollars, dong, today_lines
from bot.storage.costs import Costs, Spend, Today
from bot.storage.spending import Amount

RATE = Decimal(26_000)
CENT = 10_000_000
LAN = Spend("telegram 1001 Trần Thị Mỹ Hạnh Phúc", 3, 300, 60, 600, 100, 2 * CENT, 0, 0)
LI = Spend("web 7 李小龙", 1, 100, 20, 0, 0, 1_234, 0, 12)
LOCAL = Spend("ollama:llama3:8b", 2, 1_000, 100, 0, 0, 0, 1_100, 0)
ALL = Spend("total", 6, 1_400, 180, 600, 100, 2 * CENT + 1_234, 1_100, 12)
COSTS = Costs(ALL, (), (LOCAL,), (), (), (LAN, LI), (("ollama:llama3:8b", 1_100),))


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (0, "$0.00"),
        (1, "<$0.000001"),
        (499, "<$0.000001"),
        (1_000, "$0.000001"),
        (293_000, "$0.000293"),
        (999_999_000, "$0.999999"),
        (1_000_000_000, "$1.00"),
        (1_234_567_890_000, "$1,234.57"),
    ],
)
def test_dollars_are_told_to_the_sixth_decimal_where_they_are_few(cost: int, words: str) -> None:
    assert dollars(cost) == words


@pytest.mark.parametrize(
    ("cost", "words"), [(0, "0 ₫"), (10_000, "0.26 ₫"), (293_000, "7.62 ₫"), (CENT, "260 ₫"), (10**12, "26,000,000 ₫")]
)
def test_dong_follow_the_rate_of_the_settings(cost: int, words: str) -> None:
    assert dong(cost, RATE) == words
    assert dong(cost, Decimal(1)) != words or not cost


def test_the_table_fits_eighty_columns_and_names_of_any_script_are_cut_to_theirs() -> None:
    lines = list(cost_lines(COSTS, Config(), by="customer", width=80))
    assert lines == [
        "costs by customer            answers   tokens   cached      dollars         đồng",
        "telegram 1001 Trần Thị Mỹ H…       3    1,060   60.0 %    $0.020000        520 ₫",
        "web 7 李小龙                       1      120    0.0 %    $0.000001       0.03 ₫",
        "all, staff's questions too         6    2,280   28.6 %  ≥ $0.020001        520 ₫",
        "An answer costs at least $0.003334 on average.",
        "1,100 tokens of ollama:llama3:8b had no price when they were used:",
        '  set [prices."llama3:8b"] in shopdesk.toml.',
        "12 tokens are estimated: of answers that broke off before they were counted.",
    ]
    assert all(cell_len(line) <= 80 for line in lines)


def test_in_more_columns_each_kind_of_token_has_its_own() -> None:
    head, lan, *_ = cost_lines(COSTS, Config(), by="customer", width=WIDE)
    assert head.split() == [
        "costs",
        "by",
        "customer",
        "answers",
        "input",
        "output",
        "from",
        "cache",
        "to",
        "cache",
        "cached",
        "dollars",
        "đồng",
    ]
    assert lan.split()[-10:] == ["3", "300", "60", "600", "100", "60.0", "%", "$0.020000", "520", "₫"]
    assert cell_len(head) == cell_len(lan) <= WIDE


def test_what_has_no_price_is_not_shown_as_free() -> None:
    _, local, whole, *_ = cost_lines(COSTS, Config(), by="model", width=80)
    assert local == "ollama:llama3:8b                   2    1,100    0.0 %     no price"
    assert "≥ $0.020001" in whole


def test_today_is_shown_beside_the_budgets() -> None:
    today = Today("2026-11-20", Amount(CENT, 900), (Amount(CENT, 900), Amount(CENT // 2, 1)), 4)
    assert list(today_lines(today, Config())) == [
        "spent today      $0.010000  260 ₫",
        "                       900  tokens",
        "                         4  answers left to a person, since a budget was spent",
    ]
    budgets = Budgets(shop_dollars=Decimal("0.05"), shop_tokens=1_000, customer_dollars=Decimal("0.01"))
    assert list(today_lines(replace(today, refused=0), Config(budgets=budgets))) == [
        "spent today      $0.010000  260 ₫, 20 % of $0.050000",
        "                       900  tokens, 90 % of 1,000",
        "                         1  customers over their budget",
    ]
    closed = Budgets(shop_dollars=Decimal(0), shop_tokens=1)
    assert "of $0.00" in next(today_lines(today, Config(budgets=closed)))


def test_a_program_gets_the_same_values_and_the_exact_ones() -> None:
    today = Today("2026-11-20", Amount(CENT, 900), (Amount(CENT, 900),), 4)
    config = Config(budgets=Budgets(customer_tokens=900), money=Money(dong_per_dollar=RATE))
    told = json.loads(json.dumps(cost_values(COSTS, today, config)))
    assert told["costs"].keys() == {"total", "without_price", *(f"by_{by}" for by in GROUPS)}
    lan = told["costs"]["by_customer"][0]
    assert (lan["dollars"], lan["dong"], lan["nano_dollars"], lan["cache_hit_rate"]) == (0.02, 520.0, 20_000_000, 0.6)
    assert told["costs"]["without_price"] == {"ollama:llama3:8b": 1_100}
    assert told["today"] == {
        "day": "2026-11-20", "dollars": 0.01, "dong": 260.0, "tokens": 900, "refused": 4, "customers_over_budget": 1
    }  # fmt: skip
    assert told["budgets"]["customer_tokens"] == 900
    assert told["dong_per_dollar"] == 26_000
