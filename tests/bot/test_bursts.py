"""What is only a beginning, which messages are one turn, and what a running turn hears of what comes in."""

import asyncio
from collections.abc import Sequence

import pytest

from bot.bursts import Arrivals, begins_only, first_turn, is_beginning
from bot.chat import Attachment, InboundMessage
from bot.errors import StorageFull
from bot.storage.messages import StoredMessage
from tests.words import NOON, message


@pytest.mark.parametrize(
    "text",
    [
        *("alo", "Alo!", "alo alo", "ad ơi", "ad oi", "Shop ơi", "shop oi", "SHOP ƠI!!!", "shop ơi...", "chào shop"),
        *("xin chào", "xin chao", "Dạ", "dạ", "vâng ạ", "ok", "Ok shop", "oke", "ừ", "cảm ơn", "cam on", "thank you"),
        *(
            "em chào shop ạ",
            "chào anh chị ạ",
            "shop ơi cho em hỏi",
            "shop oi cho hoi chut",
            "alo shop ơi cho hỏi với ạ",
        ),
        *("hi", "Hi!", "hi shop", "hello", "hello there", "hey", "Good morning", "good morning shop", "hi, shop"),
        *("áo này", "ao nay", "màu đen", "size M", "mình hỏi", "tư vấn giúp em với", "giá", "ship", "hỏi", "hỏi tí"),
        *("👋", "👋👋", "hi 👋🏽", "shop ơi ❤️", "hi :)", "...", "“chào”", "(alo)", "xin\u00a0chào", "  alo  "),
    ],
)
def test_a_greeting_or_a_word_or_two_that_ask_nothing_are_a_beginning(text: str) -> None:
    assert is_beginning(text)


@pytest.mark.parametrize(
    "text",
    [
        *("giá?", "ship?", "hi?", "còn không", "con khong", "có ko", "còn k", "còn hông", "con hong", "ship chưa"),
        *("giao chua", "giá sao", "gia sao", "sao vậy", "khi nào", "khi nao", "ở đâu", "o dau", "cái gì", "cai gi"),
        *("size gì", "gì vậy", "mấy giờ", "bao nhiêu", "bao nhieu", "nhiêu ạ", "bao lâu", "thế à", "vậy hả", "ai vậy"),
        *("còn hàng không", "áo này còn size M không", "ao nay con size M khong", "giá bao nhiêu vậy shop"),
        *("how much", "What size", "when", "how long", "which one", "why", "do you ship to Hanoi", "is it open"),
        *("DH1234", "đơn 4711", "size 38", "0912345678", "#1234", "#slow", "@shop_bot", "shop.example", "áo/quần"),
        *("50%", "100k", "1️⃣", "⁉️", "👗❓", "在吗", "有货吗", "こんにちは", "สวัสดี", "привет", "سلام"),
        *("", "   ", "\u200b", "\u0301", "x" * 61, "anhchiemoichoemhoi", "tôi muốn trả lại hàng", "chào " * 20),
        *("shop ơi áo này đẹp quá", "em muốn mua áo", "don't know", "hi,shop", "a b c d e f g"),
    ],
)
def test_a_question_a_number_or_a_sentence_is_no_beginning(text: str) -> None:
    assert not is_beginning(text)


def stored(text: str, number: int = 1, *, is_correction: bool = False, **more: object) -> StoredMessage:
    return StoredMessage(number, message(text, number, **more), NOON, is_correction)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "what",
    [
        stored("hi", attachments=(Attachment("photo", "p"),)),
        stored("hi", command="start"),
        stored("hi", quoted="Áo sơ mi"),
        stored("hi", is_correction=True),
    ],
)
def test_what_comes_with_more_than_its_words_is_no_beginning(what: StoredMessage) -> None:
    assert not begins_only([what])


def test_a_turn_is_a_beginning_only_as_long_as_all_of_it_is() -> None:
    assert begins_only([stored("hi"), stored("shop ơi", 2)])
    assert not begins_only([stored("áo này còn size M không"), stored("shop ơi", 2)])


def test_a_turn_ends_in_front_of_a_command_or_another_role() -> None:
    one, two, other = stored("một"), stored("hai", 2), stored("ba", 3)
    assert first_turn([one, two, other]) == (one, two, other)
    assert first_turn([one, stored("", 2, command="help"), other]) == (one,)
    assert first_turn([one, stored("staff", 2, role="staff"), other]) == (one,)
    assert first_turn([stored("", 1, command="help"), two])[0].message.command == "help"


class Scene:
    """Arrivals of one turn over a list instead of storage; time passes only where somebody sleeps."""

    def __init__(self, *waiting: StoredMessage, missed: bool = False, burst_wait: float = 0.0) -> None:
        self.waiting = list(waiting)
        self.time = 100.0
        self.slept: list[float] = []
        self.later: list[StoredMessage] = []
        """Each comes 0.2 s after the one before it, while somebody waits for quiet."""
        self.heard: list[str | None] = []
        self.error: Exception | None = None
        self.arrivals = Arrivals(
            tuple(waiting),
            read=self._read,
            missed=missed,
            burst_wait=burst_wait,
            clock=lambda: self.time,
            sleep=self._sleep,
        )
        self.arrivals.listen(lambda message: self.heard.append(message.text if message else None))

    def come(self, new: StoredMessage) -> None:
        self.waiting = [*(old for old in self.waiting if old.id != new.id), new]
        self.tell(new)

    def tell(self, new: StoredMessage, message: InboundMessage | None = None) -> None:
        self.arrivals.tell(new.id, message or new.message)

    async def _read(self) -> Sequence[StoredMessage]:
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return sorted(self.waiting, key=lambda one: one.id)

    async def _sleep(self, seconds: float) -> None:
        if self.later and seconds > 0.2:
            self.time += 0.2
            self.come(self.later.pop(0))
        else:
            self.time += seconds
        self.slept.append(self.time - 100.0)


def test_what_belongs_to_the_turn_is_heard_of() -> None:
    scene = Scene(stored("một"))
    scene.come(stored("hai", 2))
    assert scene.heard == ["hai"]


def test_what_came_between_reading_and_listening_is_heard_of() -> None:
    assert Scene(stored("một"), missed=True).heard == [None]


def test_a_message_that_was_read_before_it_is_told_is_not_heard_of_again() -> None:
    scene = Scene(stored("một"), stored("hai", 2))
    scene.tell(stored("hai", 2))
    assert scene.heard == []


def test_a_newer_text_of_a_message_of_the_turn_is_heard_of() -> None:
    scene = Scene(stored("size M"))
    scene.come(stored("size L", edited=True))
    assert scene.heard == ["size L"]


@pytest.mark.parametrize("other", [stored("", 2, command="help"), stored("ghi chú", 2, role="staff")])
def test_nothing_behind_a_command_or_another_role_is_heard_of_but_edits_are(other: StoredMessage) -> None:
    scene = Scene(stored("một"))
    scene.come(other)
    scene.come(stored("ba", 3))
    scene.come(stored("một, sửa lại", 1, edited=True))
    assert scene.heard == ["một, sửa lại"]


async def test_a_command_that_was_read_ends_the_turn_too() -> None:
    scene = Scene(stored("một"))
    scene.waiting.append(stored("", 2, command="help"))
    assert await scene.arrivals.take() == (stored("một"),)
    scene.come(stored("ba", 3))
    assert scene.heard == []


async def test_what_is_taken_are_the_newest_texts_and_all_that_joined() -> None:
    scene = Scene(stored("size M"))
    scene.come(stored("size L", edited=True))
    scene.come(stored("màu đen", 2))
    assert [one.message.text for one in await scene.arrivals.take()] == ["size L", "màu đen"]
    assert len(scene.arrivals.messages) == 2


async def test_storage_that_fails_leaves_the_turn_as_it_was() -> None:
    scene = Scene(stored("một"))
    scene.come(stored("hai", 2))
    scene.error = StorageFull("no room")
    with pytest.raises(StorageFull):
        await scene.arrivals.take()
    assert scene.arrivals.messages == (stored("một"),)


@pytest.mark.parametrize(
    ("first", "more", "seconds"),
    [
        ("áo này còn không?", {}, 0.25),
        ("áo này còn không?", {"album_id": "7"}, 0.7),
        ("hi", {}, 0.5),
    ],
)
async def test_a_join_waits_for_a_moment_of_quiet(first: str, more: dict[str, str], seconds: float) -> None:
    scene = Scene(stored(first), burst_wait=0.5)
    scene.come(stored("shop ơi", 2, **more))  # type: ignore[arg-type]
    await scene.arrivals.quiet()
    assert scene.time - 100.0 == pytest.approx(seconds)


async def test_who_writes_on_and_on_is_not_waited_for_longer_than_two_seconds() -> None:
    scene = Scene(stored("một?"))
    scene.later = [stored(f"câu {number}?", number) for number in range(3, 100)]
    scene.come(stored("hai?", 2))
    await scene.arrivals.quiet()
    assert 1.8 <= scene.time - 100.0 <= 2.01
    assert len(scene.slept) < 20
