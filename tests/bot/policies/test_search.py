import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.policies.live import Policies
from bot.policies.words import stem
from bot.storage.database import Database
from bot.storage.policies import PolicyVersions
from bot.text import fold
from tests.bot.policies.questions import CHAT, ENGLISH, VIETNAMESE
from tests.bot.policies.shop import SAMPLE, good_files, loaded, write
from tests.search.questions import PARTS, SPELLINGS, Part, Question, Score, read

Questions = Sequence[tuple[str, frozenset[str]]]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Policies]:
    database = await Database.open(tmp_path / "shopdesk.db")
    yield await loaded(SAMPLE, PolicyVersions(database))
    await database.close()


async def recall(shop: Policies, questions: Questions, typed: Callable[[str], str] = str) -> float:
    """The share of questions that have an answering section among the first three that are found."""
    hits = 0
    for question, answers in questions:
        found = await shop.search(typed(question), limit=3)
        hits += any(one.section.id in answers for one in found)
    return hits / len(questions)


async def test_every_answer_of_the_questions_exists(shop: Policies) -> None:
    wanted = {answer for questions in (VIETNAMESE, CHAT, ENGLISH) for _, answers in questions for answer in answers}

    ids = {section.id for section in shop.prompts.sections}
    assert [answer for answer in sorted(wanted) if answer not in ids] == []


async def test_nine_of_ten_questions_find_their_section_among_the_first_three(shop: Policies) -> None:
    marked = await recall(shop, VIETNAMESE)
    assert marked >= 0.9
    assert await recall(shop, ENGLISH) >= 0.9
    assert await recall(shop, CHAT) >= 0.9
    assert await recall(shop, VIETNAMESE, fold) >= max(0.9, marked - 0.02)
    assert await recall(shop, VIETNAMESE, str.upper) == marked


async def test_the_unicode_form_of_a_question_does_not_matter(shop: Policies) -> None:
    for question, _ in VIETNAMESE:
        assert await shop.search(unicodedata.normalize("NFD", question)) == await shop.search(question)


async def test_what_is_found_comes_best_first_and_no_more_than_asked_for(shop: Policies) -> None:
    found = await shop.search("đổi trả hàng bị lỗi", limit=4)

    assert len(found) == 4
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert found[-1].score > 0


async def test_a_question_finds_its_own_language_first_and_others_as_well(shop: Policies) -> None:
    for question, language in (("VietQR có được không", "vi"), ("Can I use VietQR?", "en")):
        found = [one.section.language for one in await shop.search(question, limit=10)]
        assert found[0] == language
        assert set(found) == {"vi", "en"}


async def test_a_language_that_is_handed_in_counts_more_than_the_words(shop: Policies) -> None:
    for language in ("vi", "en"):
        assert (await shop.search("VietQR", language=language))[0].section.language == language


async def test_without_marks_anywhere_words_are_found_by_either_spelling(tmp_path: Path) -> None:
    text = "---\ntitle: A\n---\n## Một\n\ntra cứu đơn\n\n## Hai\n\ntrả đơn\n"
    folder = write(tmp_path / "prompts", good_files(policies__vi__returns=text))
    database = await Database.open(tmp_path / "shopdesk.db")
    shop = await loaded(folder, PolicyVersions(database))

    assert [one.section.heading for one in await shop.search("trả")] == ["Hai", "Một"]
    assert {one.section.heading for one in await shop.search("tra")} == {"Hai", "Một"}
    assert (await shop.search("cứu"))[0].section.heading == "Một"
    await database.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "👍",
        "❤️",
        "?!…",
        "\u0301\u0301",
        "shop ơi",
        "xin chào",
        "dạ cảm ơn shop",
        "hello",
        "ok",
        "2+2=?",
        "qwrtz",
        '"',
        '" OR "',
        "* OR -",
        "NEAR(",
        "\0",
        "' OR 1=1 --",
    ],
)
async def test_what_says_nothing_about_the_shop_finds_nothing(shop: Policies, text: str) -> None:
    assert await shop.search(text) == ()


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "text",
    [
        "đổi trả " * 12_500,
        "a" * 100_000,
        "\u0301\u0323" * 50_000,
        '"' * 100_000,
        "🙂" * 100_000,
        "1." * 50_000,
        "9k" * 9_999,
    ],
)
async def test_a_very_long_question_is_searched_by_its_beginning(shop: Policies, text: str) -> None:
    assert await shop.search(text) == await shop.search(text[:4000])


@pytest.mark.parametrize("part", ["tune", "held_out"])
async def test_the_questions_of_the_set_are_answered_as_well_as_the_readme_says(shop: Policies, part: Part) -> None:
    questions = read(part)
    scores: dict[str, Score] = {spelling: Score() for spelling in SPELLINGS}
    for question in questions.asked:
        scores[question.spelling].add(*await asked(shop, question))
    for spelling in SPELLINGS:
        assert scores[spelling].recall(1) >= 0.78, spelling
        assert scores[spelling].recall(3) >= 0.87, spelling
        assert scores[spelling].accepted >= 0.9, spelling
    assert scores["nfd"].ranks == scores["marks"].ranks
    for at in (1, 3):
        assert scores["bare"].recall(at) >= scores["marks"].recall(at) - 0.02


@pytest.mark.parametrize("part", ["tune", "held_out"])
async def test_a_second_question_finds_its_section_by_the_topic_of_the_first(shop: Policies, part: Part) -> None:
    score = Score()
    for question in read(part).second_turns:
        score.add(*await asked(shop, question))
    assert score.recall(1) >= 0.85
    assert score.recall(3) >= 0.95


@pytest.mark.parametrize("part", ["tune", "held_out"])
async def test_questions_that_no_policy_is_about_find_nothing_good(shop: Policies, part: Part) -> None:
    score = Score()
    for question in read(part).off_topic:
        score.add(*await asked(shop, question))
    assert score.accepted <= 0.15


async def test_questions_by_somebody_who_had_not_seen_the_search_find_their_sections_less_often(shop: Policies) -> None:
    questions = read("blind")
    scores: dict[str, Score] = {spelling: Score() for spelling in SPELLINGS}
    outside = Score()
    for question in questions.asked:
        scores[question.spelling].add(*await asked(shop, question))
    for question in questions.off_topic:
        outside.add(*await asked(shop, question))
    assert scores["nfd"].ranks == scores["marks"].ranks
    assert min(score.recall(3) for score in scores.values()) >= 0.7
    assert outside.accepted <= 0.3


async def test_a_question_without_marks_finds_its_section_as_often_as_with_them(shop: Policies) -> None:
    for parts in (("blind",), ("fresh",), PARTS):
        scores = {"marks": Score(), "bare": Score()}
        for question in (one for part in parts for one in read(part).asked if one.spelling in scores):
            scores[question.spelling].add(*await asked(shop, question))
        for at in (1, 3):
            assert scores["bare"].recall(at) >= scores["marks"].recall(at) - 0.02, parts


@pytest.mark.parametrize(
    ("question", "as_well"),
    [
        ("30/4 shop có mở cửa không", "30 tháng 4 shop có mở cửa không"),
        ("ngay 2/9 mo cua k", "ngay 2 thang 9 mo cua k"),
        ("are you open on 30/4", "are you open on 30th of April"),
        ("are you open on 2/9", "are you open on September 2nd"),
        ("giảm cân nặng bao nhiêu ký", "giảm cân nặng bao nhiêu kí"),
        ("can i return it", "is it returnable"),
    ],
)
async def test_a_day_and_a_word_are_the_same_however_they_are_written(
    shop: Policies, question: str, as_well: str
) -> None:
    assert (await shop.search(question))[0].section.id == (await shop.search(as_well))[0].section.id


async def test_english_may_say_what_it_is_about_inside_of_a_phrase(shop: Policies) -> None:
    found = await shop.search("can i still call it off")

    assert found[0].section.id == "en/refunds#refund-for-a-cancelled-order"


async def test_the_number_of_an_order_does_not_make_a_question_worse(shop: Policies) -> None:
    assert await shop.search("đổi địa chỉ đơn 1048233") == await shop.search("đổi địa chỉ đơn")


async def test_what_somebody_bought_says_less_than_what_he_wants_with_it(shop: Policies) -> None:
    assert not any(one.good for one in await shop.search("cái váy này nhập ở đâu về"))
    assert (await shop.search("cái váy này giặt máy được không"))[0].section.id == "vi/warranty#giat-va-bao-quan"


async def asked(shop: Policies, question: Question) -> tuple[list[str], Question, bool]:
    found = await shop.search(question.text, before=question.before, limit=10)
    return [one.section.id for one in found], question, bool(found) and found[0].good


async def test_what_was_asked_before_does_not_count_for_a_question_that_needs_it_not(shop: Policies) -> None:
    question = "Đơn ở Hà Nội giao hỏa tốc phí bao nhiêu?"
    assert await shop.search(question, before=["bảo hành đèn"]) == await shop.search(question)
    assert await shop.search("", before=["bảo hành đèn"])
    assert await shop.search("bao nhiêu", before=["phí giao hỏa tốc"]) != ()


async def test_a_short_question_that_stands_for_itself_is_not_held_back_by_those_before_it(shop: Policies) -> None:
    before = ["còn đồ gia dụng thì sao?", "thời tiết hôm nay thế nào"]
    found = await shop.search("can i return socks", before=before)
    assert found[0].good
    assert found[0].section.id == "en/returns#products-that-cannot-be-returned"
    assert not any(one.good for one in await shop.search("thời tiết hôm nay", before=["đổi trả hàng"]))


async def test_what_no_policy_is_about_finds_nothing_good_unless_a_section_says_it(tmp_path: Path) -> None:
    text = "---\ntitle: Sách\n---\n## Sách nói\n\nKể chuyện bằng giọng đọc.\n\n## Giấy\n\nGiấy màu nâu.\n"
    database = await Database.open(tmp_path / "shopdesk.db")
    for files, good in ((good_files(), False), (good_files(policies__vi__returns=text), True)):
        folder = write(tmp_path / f"prompts-{good}", files)
        shop = await loaded(folder, PolicyVersions(database))
        for question in ("kể chuyện", "ke chuyen"):
            assert any(one.good for one in await shop.search(question)) is good
    assert (await shop.search("giay mau nau"))[0].good
    await database.close()


@pytest.mark.parametrize(
    ("typed", "heading"),
    [
        ("giao hoatoc", "Giao hỏa tốc trong ngày"),
        ("ddooir traar taij cuwar hangf", "Đổi trả tại cửa hàng"),
        ("freeeeshippp ko", "Miễn phí giao hàng"),
        ("free ship không", "Miễn phí giao hàng"),
        ("GIAO HỎA TỐC", "Giao hỏa tốc trong ngày"),
        ("giao hoả tốc", "Giao hỏa tốc trong ngày"),
        ("đơn 499k có free ship", "Miễn phí giao hàng"),
        ("hoá đơn", "Hóa đơn VAT"),
        ("ship bn tien ve da nang", "Phí giao hàng trong nước"),
        ("can I get a VAT invioce", "VAT invoice"),
    ],
)
async def test_slips_of_the_finger_are_read_as_what_is_meant(shop: Policies, typed: str, heading: str) -> None:
    assert (await shop.search(typed))[0].section.heading == heading


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | st.text(alphabet="\"*():^-+{}'AND ORNEAđtrả\0", max_size=30))
async def test_any_text_is_a_question(shop: Policies, text: str) -> None:
    assert len(await shop.search(text)) <= 5


def test_forms_of_an_english_word_have_one_stem() -> None:
    for words in (
        "return returns returned returning",
        "exchange exchanges exchanged exchanging",
        "ship ships shipped shipping",
        "cancel cancelled canceled cancelling",
        "wash washed washing",
        "delivery deliveries",
        "refund refunds refunded refunding",
    ):
        assert len({stem(word) for word in words.split()}) == 1, words


def test_no_vietnamese_syllable_loses_anything(shop: Policies) -> None:
    for section in shop.prompts.sections:
        if section.language == "vi":
            for word in fold(section.text).split():
                if word.isalpha() and word not in ("express", "hotline", "tnhh"):
                    assert stem(word) == word


@pytest.mark.parametrize(
    "question", ["how much is shipping", "shipping price?", "what does delivery cost", "phi ship bn"]
)
async def test_who_asks_for_the_price_of_shipping_finds_the_fees(shop: Policies, question: str) -> None:
    assert (await shop.search(question))[0].section.id in {
        "en/shipping#shipping-fees-within-vietnam",
        "vi/shipping#phi-giao-hang-trong-nuoc",
    }
