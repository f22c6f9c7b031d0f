"""What a hostile colleague writes reads well at every door, finished or not."""

import random
from collections.abc import Iterator

import pytest

from tests.formatting.doors import Discord, Door, Telegram, open_web
from tests.formatting.growth import judge, stream
from tests.formatting.hostile import hostile

TEXTS = hostile()
STEPS = 40


@pytest.fixture(scope="module")
def doors() -> Iterator[dict[str, Door]]:
    with open_web() as web:
        found: list[Door | None] = [Telegram(), Discord(), web]
        yield {door.name: door for door in found if door}


@pytest.mark.parametrize("number", range(len(TEXTS)))
@pytest.mark.parametrize("name", ["telegram", "discord", "web"])
def test_it_grows_without_refusal_debris_or_jump(doors: dict[str, Door], name: str, number: int) -> None:
    if name not in doors:
        pytest.skip("the page's scripts are run by node, which is not installed")
    dice, text, door = random.Random(number), TEXTS[number], doors[name]
    growth = stream(text, sorted(dice.random() for _ in range(STEPS)), door)
    arrived = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert judge(arrived, growth, door) == []
