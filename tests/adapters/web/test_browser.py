from collections.abc import AsyncIterator

import pytest

from bot.chat import OutboundMessage
from bot.errors import StorageError
from tests.adapters.web.browser import Tab, find_browser, open_tab
from tests.adapters.web.shop import SOURCE, Shop, open_shop

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="the page is tried in Chromium, which is not installed")

ONLINE = "document.body?.dataset.connection === 'online' && document.querySelector('#examples button')"


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as shop:
        yield shop


@pytest.fixture
async def tab(shop: Shop) -> AsyncIterator[Tab]:
    assert BROWSER
    async with open_tab(BROWSER, shop.web.url) as tab:
        await tab.wait_for(ONLINE)
        await tab.run("document.getElementById('input').focus()")
        yield tab


async def test_a_question_is_asked_and_its_answer_grows_on_the_page(shop: Shop, tab: Tab) -> None:
    assert await tab.run("document.getElementById('greeting').textContent") in ("Chào bạn!", "Hello!")
    await tab.type("đổi <b>hàng</b>?")
    await shop.arrived.wait()
    at = shop.address
    assert shop.received[0].text == "đổi <b>hàng</b>?"
    await shop.web.show_typing(at)
    await tab.wait_for("!document.getElementById('typing').hidden")
    hostile = "Trong **7 ngày** <img src=x onerror=alert(1)> [x](javascript:alert(1))"
    await shop.web.send(at, OutboundMessage(f"{hostile[:12]}**", growing=True), key="r1")
    await tab.wait_for("document.querySelector('.growing strong')?.textContent === '7 ng'")
    assert await tab.run("document.getElementById('send').classList.contains('stops')")
    await shop.web.send(at, OutboundMessage(hostile, sources=(SOURCE,)), key="r1")
    await tab.wait_for("document.querySelector('details.source') && !document.querySelector('.growing')")
    assert await tab.run("document.querySelector('.assistant .text').textContent") == (
        "Trong 7 ngày <img src=x onerror=alert(1)> x (javascript:alert(1))"
    )
    assert "Đổi trả › Thời hạn" in await tab.run("document.querySelector('summary').textContent")
    assert await tab.run("document.querySelectorAll('#messages :is(img, script, b)').length") == 0
    assert await tab.run("document.querySelectorAll('#messages .row').length") == 2
    assert tab.problems == []


async def test_an_enter_that_belongs_to_the_input_method_does_not_send(shop: Shop, tab: Tab) -> None:
    await tab.type("đang gõ", enter=False)
    await tab.run(
        "document.getElementById('input').dispatchEvent(new KeyboardEvent('keydown', "
        "{key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
    )
    assert await tab.run("document.getElementById('input').value") == "đang gõ"
    assert await tab.run("document.querySelectorAll('#messages .row').length") == 0
    assert shop.received == []


async def test_a_text_that_is_too_long_stays_in_the_box(shop: Shop, tab: Tab) -> None:
    await tab.type("x" * 100_000)
    await tab.wait_for("!document.getElementById('notice').hidden")
    assert await tab.run("document.getElementById('input').value.length") == 100_000
    assert shop.received == []


async def test_starting_afresh_is_asked_for_on_the_page_and_empties_it(shop: Shop, tab: Tab) -> None:
    await tab.type("một")
    await tab.wait_for("document.querySelectorAll('#messages .row').length === 1")
    await tab.run("document.getElementById('fresh').click()")
    assert await tab.run("document.getElementById('confirm').open")
    await tab.run("document.getElementById('confirm-yes').click()")
    await tab.wait_for("document.querySelectorAll('#messages .row').length === 0")
    assert shop.received[-1].command == "new"


async def test_what_was_delivered_is_not_sent_again_after_a_reload_and_a_draft_is_kept(shop: Shop, tab: Tab) -> None:
    shop.fail = StorageError("away for a moment")
    await tab.type("giữ hộ tin này")
    await tab.wait_for("document.querySelector('.sending')")
    shop.fail = None
    await shop.arrived.wait()
    await tab.wait_for("document.querySelector('.row.customer') && !document.querySelector('.sending')")
    await tab.type("còn nháp", enter=False)
    await tab.reload()
    await tab.wait_for("document.querySelectorAll('#messages .row').length === 1")
    assert await tab.run("document.getElementById('input').value") == "còn nháp"
    assert await tab.run("sessionStorage.getItem('shopdesk.unsent')") == "[]"
    assert [message.text for message in shop.received] == ["giữ hộ tin này"]


async def test_characters_are_named_by_every_name_that_html_has(shop: Shop, tab: Tab) -> None:
    await tab.type("hỏi")
    await shop.arrived.wait()
    text = "&nbsp;A &rightarrow; B &CounterClockwiseContourIntegral; &notit; &amp;lt; &rlm;&nothing; &lt;b&gt;"
    await shop.web.send(shop.address, OutboundMessage(text), key="r1")
    await tab.wait_for("document.querySelector('.assistant .text')?.textContent")
    shown = await tab.run("document.querySelector('.assistant .text').textContent")
    assert shown == "\u00a0A → B ∳ &notit; &lt; &nothing; <b>"
    assert tab.problems == []
