"""A turn is answered from the policies that count for who asks and when, whether all fit or are searched for."""

from pathlib import Path

import pytest

from bot.engine.limits import EngineLimits
from tests.bot.engine.desk import opened
from tests.bot.policies.shop import good_files, write

STAFF = "---\ntitle: Nội bộ\naudience: staff\n---\n## Mức bồi thường\n\nTối đa 200.000 đ.\n"
OVER = "---\ntitle: Khuyến mãi cũ\nvalid_until: 2020-01-01\n---\n## Mức giảm giá cũ\n\nGiảm 90%.\n"
QUESTION = "mức bồi thường và mức giảm giá cũ?"


@pytest.mark.parametrize("limits", [EngineLimits(), EngineLimits(section_tokens=1)])
async def test_neither_staffs_policies_nor_past_ones_are_given_to_a_customers_turn(
    tmp_path: Path, limits: EngineLimits
) -> None:
    files = good_files(policies__vi__internal=STAFF, policies__vi__over=OVER)
    async with opened(tmp_path, limits, prompts=write(tmp_path / "prompts", files)) as desk:
        for role in ("customer", "staff"):
            await desk.ask(QUESTION, role=role)

        for_customers, for_staff = desk.model.requests
        assert "vi/internal" not in _policies(for_customers)
        assert "vi/internal" in _policies(for_staff)
        assert "vi/over" not in _policies(for_customers) | _policies(for_staff)
        assert for_customers.find is not None
        assert for_staff.find is not None
        assert all("returns" in source.section_id for source in await for_customers.find())
        assert {source.section_id for source in await for_staff.find()} == {"vi/internal#muc-boi-thuong"}


def _policies(request: object) -> set[str]:
    """The policies that a model was told of."""
    sources = (*getattr(request, "sections", ()), *getattr(request, "found", ()))
    return {source.section_id.partition("#")[0] for source in sources}
