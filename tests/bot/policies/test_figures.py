"""What a figure says is the same in any spelling, so that what differs stands out."""

import pytest

from bot.policies.figures import figures_in


@pytest.mark.parametrize(
    ("vi", "en"),
    [
        ("phí 30.000 đ", "a fee of 30,000 VND"),
        ("phí 30k", "30,000₫"),
        ("30 nghìn đồng", "VND 30,000"),
        ("đơn từ 1,5 triệu", "orders from 1,500,000 VND"),
        ("1tr5 hoặc 2 triệu", "1.5 million or 2,000,000"),
        ("5.000.000 đ và 1.234.567 đ", "5,000,000 VND and 1,234,567 VND"),
        ("trong 7 ngày", "within 7 days"),
        ("trong bảy ngày", "within 7 days"),
        ("trong 7 ngày", "within seven days"),
        ("trong 48 giờ", "within 2 days"),
        ("12 tháng, 2 tuần", "1 year, 14 days"),
        ("7–15 ngày làm việc", "7-15 working days"),
        ("giảm 50%, giữ 5 năm", "50 % off, kept for 5 years"),
        ("hoàn 100%", "refunded in full"),
        ("phí 0 đ", "free of charge"),
        ("từ 8:00 đến 21:00", "from 8 am to 9 pm"),
        ("từ 8h đến 21h30", "from 8:00 to 9:30 p.m."),
        ("từ 8 giờ sáng đến 9 giờ tối", "8:00–21:00"),
        ("lúc 12 giờ trưa", "at noon"),
        ("ngày 30/4, 1/5 và 2/9/2026", "on 30 April, May 1st and 2 September"),
        ("ngày 30 tháng 4", "4/30"),
        ("đến 22/02/2026", "until 2026-02-22"),
        ("gọi 1900 0000", "call 19000000"),
        ("gọi 090.123.4567", "call +84 90 123 4567"),
        ("thứ 2 đến thứ 6", "Monday to Friday"),
        ("1. một\n2. hai", "- one\n- two"),
        ("trực 24/7", "at any time"),
        ("[xem](https://shop.example/a/99)", "see https://shop.example/en/7"),
        ("Size M2, VietQR2", "sizes"),
        ("1,5 kg và 160 × 200", "1.5kg and 160x200"),
        ("mùng 6", "the 6th"),
        ("8g30–17g, thứ Hai đến thứ Bảy", "8:30 am – 17, Monday to Saturday"),
        ("từ 500.000đ/đơn, 1 đổi 1", "VND500,000 an order, one for one"),
        ("tầng 2, 18 phố Mây, ngày 20/11", "2nd floor, 18 phố Mây, November 20th"),
        ("Một đơn, 3 kiện; phụ thu 15%", "One order, three parcels; a surcharge of 15 %"),
        ("size 35–40; từ 1–2 ngày", "sizes 35-40, 1 to 2 days"),
        ("trễ quá 1 giờ 30 phút", "more than 1 hour 30 minutes late"),
        ("năm 2026, từ 2.000.000", "in 2026, from 2 million"),
    ],
)
def test_two_ways_to_write_the_same_do_not_differ(vi: str, en: str) -> None:
    ours, theirs = figures_in(vi), figures_in(en)

    assert (ours.without(theirs), theirs.without(ours)) == ((), ())


@pytest.mark.parametrize(
    ("vi", "en", "only_vi", "only_en"),
    [
        ("trong 7 ngày", "within 15 days", ("7 ngày",), ("15 days",)),
        ("trong bảy ngày", "within 15 days", (), ("15 days",)),
        ("trong 7 ngày", "within 7 hours", ("7 ngày",), ("7 hours",)),
        ("6 tháng", "6 years", ("6 tháng",), ("6 years",)),
        ("phí 30.000 đ", "a fee of 3,000 VND", ("30.000 đ",), ("3,000 VND",)),
        ("phí 30k", "35k", ("30k",), ("35k",)),
        ("1.234.567 đ", "1,234,568 VND", ("1.234.567 đ",), ("1,234,568 VND",)),
        ("giảm 50%", "10% off", ("50%",), ("10%",)),
        ("từ 8:00 đến 21:00", "from 8 am to 8 pm", ("21:00",), ("8 pm",)),
        ("ngày 30/4", "on 1 May", ("30/4",), ("1 May",)),
        ("gọi 1900 0000", "call 1900 0001", ("1900 0000",), ("1900 0001",)),
        ("trong 7–15 ngày", "within 7–10 days", ("15 ngày",), ("10 days",)),
        ("giữ 5 năm", "kept for 3 years", ("5 năm",), ("3 years",)),
        ("7 ngày, 7 ngày và 15 ngày", "7 days", ("15 ngày",), ()),
    ],
)
def test_what_differs_is_told_as_it_is_written(
    vi: str, en: str, only_vi: tuple[str, ...], only_en: tuple[str, ...]
) -> None:
    ours, theirs = figures_in(vi), figures_in(en)

    assert (ours.without(theirs), theirs.without(ours)) == (only_vi, only_en)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text", ["1.000" * 5_000, "1 " * 5_000, "0 - " * 5_000, "7–" * 10_000, "a@" * 50_000, "](" * 50_000]
)
def test_a_text_made_to_be_slow_is_read_quickly(text: str) -> None:
    figures = figures_in(text)
    assert figures.without(figures) == ()
