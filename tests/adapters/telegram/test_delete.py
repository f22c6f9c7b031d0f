"""Messages that are taken back."""

import pytest

from adapters.telegram.drafts import draft_ref
from adapters.telegram.platform import TelegramPlatform
from bot.chat import Address, OutboundMessage
from bot.errors import MessageRefused
from tests.servers.telegram import TelegramServer

HERE = Address("telegram", "7")


async def test_a_message_is_taken_away_and_one_that_is_gone_is_no_error(
    server: TelegramServer, platform: TelegramPlatform
) -> None:
    server.customer(7)
    ref = await platform.send(HERE, OutboundMessage("Dạ còn ạ."), key="k")
    await platform.delete(ref)
    assert server.texts(7) == []
    await platform.delete(ref)
    await platform.delete(draft_ref(HERE, 5))
    assert len(server.calls("deleteMessage")) == 2


async def test_a_message_that_is_older_than_two_days_stays(server: TelegramServer, platform: TelegramPlatform) -> None:
    server.customer(7)
    ref = await platform.send(HERE, OutboundMessage("Dạ còn ạ."), key="k")
    server.messages(7)[0].raw["date"] -= 49 * 3600
    with pytest.raises(MessageRefused):
        await platform.delete(ref)
    assert server.texts(7) == ["Dạ còn ạ."]
