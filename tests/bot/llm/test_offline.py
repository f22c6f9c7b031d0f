"""The offline model quotes what was found, word for word, and is honest about itself."""

import dataclasses
from collections.abc import Sequence

from bot.chat import Source
from bot.llm.base import ChatModel, Cited, Finished, ModelEvent, ModelMessage, ModelRequest, Payer, TextDelta, Usage
from bot.llm.offline import OfflineModel, chosen
from tests.bot.llm.conftest import RETURNS, SHIPPING

EXCHANGE = Source("vi/doi-tra#doi", "Đổi trả", "Đổi hàng", "Đổi size trong 7 ngày, giữ nguyên tem mác.")
REFUND = Source("vi/doi-tra#tra", "Đổi trả", "Trả hàng", "Đổi hoặc trả trong 7 ngày, giữ nguyên hoá đơn.")


def asking(words: str, *sections: Source, found: Sequence[Source] | None = None) -> ModelRequest:
    async def find() -> tuple[Source, ...]:
        return sections if found is None else tuple(found)

    return ModelRequest(system="", messages=(ModelMessage("user", words),), sections=sections, find=find, language="vi")


async def answer(request: ModelRequest, sleeps: list[float] | None = None) -> list[ModelEvent]:
    async def sleep(seconds: float) -> None:
        if sleeps is not None:
            sleeps.append(seconds)

    model: ChatModel = OfflineModel(sentence=lambda key, language: f"[{key} {language}]", seconds=0.6, sleep=sleep)
    return [event async for event in model.stream(request)]


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_the_best_section_is_quoted_word_for_word_with_its_source() -> None:
    events = await answer(asking("Phí ship bao nhiêu?", SHIPPING, RETURNS))
    assert text_of(events) == f"**Fees**\n\n{SHIPPING.text}\n\n[offline_notice vi]"
    assert [event for event in events if isinstance(event, Cited)] == [Cited(SHIPPING.section_id)]
    assert events[-1] == Finished(Usage(), "offline", payer=Payer("offline"))


async def test_a_second_section_that_fits_as_well_is_quoted_too() -> None:
    request = asking("doi tra trong 7 ngay", EXCHANGE, REFUND, SHIPPING)
    assert await chosen(request) == [EXCHANGE, REFUND]
    events = await answer(request)
    assert EXCHANGE.text in text_of(events)
    assert REFUND.text in text_of(events)
    assert [event.section_id for event in events if isinstance(event, Cited)] == [
        EXCHANGE.section_id,
        REFUND.section_id,
    ]


async def test_the_order_is_that_of_the_search_and_not_of_the_request() -> None:
    assert await chosen(asking("fee?", RETURNS, SHIPPING, found=[EXCHANGE, SHIPPING])) == [SHIPPING]


async def test_nothing_found_says_so_and_cites_nothing() -> None:
    events = await answer(asking("Thời tiết hôm nay?", RETURNS, found=()))
    assert text_of(events) == "[offline_nothing vi]"
    assert not any(isinstance(event, Cited) for event in events)
    assert isinstance(events[-1], Finished)


async def test_thanks_and_greetings_are_answered_in_kind_and_quote_nothing() -> None:
    events = await answer(dataclasses.replace(asking("cảm ơn shop", RETURNS), asks=False))
    assert text_of(events) == "[small_talk vi]"
    assert not [event for event in events if isinstance(event, Cited)]


async def test_it_grows_in_small_pieces_over_the_given_time() -> None:
    sleeps: list[float] = []
    long = dataclasses.replace(RETURNS, text="Bạn có thể đổi trả trong bảy ngày. " * 30)
    events = await answer(asking("đổi trả", long), sleeps)
    assert 20 <= len(sleeps) <= 40
    assert 0.4 <= sum(sleeps) <= 0.8
    assert max(len(event.text) for event in events if isinstance(event, TextDelta)) < 80


async def test_one_endless_word_and_no_words_are_no_trouble() -> None:
    endless = dataclasses.replace(RETURNS, heading="", title="", text="x" * 10_000)
    assert text_of(await answer(asking("", endless))) == "x" * 10_000 + "\n\n[offline_notice vi]"
