from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.relay.workbench import Shop, World, opened


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with opened(tmp_path, World()) as shop:
        yield shop
