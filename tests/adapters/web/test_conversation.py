import itertools
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.web.conversation import CHUNK, KEPT, PIECE, Conversation, Feed
from adapters.web.conversations import Conversations
from bot.chat import PastMessage, Source
from tests.adapters.web.visitor import Event, Thread, parse

START = datetime(2026, 1, 1, tzinfo=UTC)
SOURCES = (Source("s", "Đổi trả", "Thời hạn", "7 ngày"),)


class Desk:
    """A conversation with its transcript, and tabs whose lines can be cut after any event."""

    def __init__(self, kept: int = KEPT) -> None:
        self.conversation = Conversation(itertools.count(1), now=0.0, kept=kept)
        self.past: dict[str, PastMessage] = {}
        self.begun: dict[str, datetime] = {}
        self.unstored = ""
        self.time = START
        self.counter = itertools.count()

    def show(self, key: str, role: str, text: str, *, growing: bool = False, sources: tuple[Source, ...] = ()) -> None:
        self.time += timedelta(seconds=1)
        self.conversation.show(key, role, text, at=self.time, growing=growing, sources=sources)  # type: ignore[arg-type]
        if key in self.conversation.messages:
            self.begun.setdefault(key, self.conversation.messages[key].at)
            if not growing:
                self.past[key] = PastMessage(key, role, text, self.begun[key], sources)  # type: ignore[arg-type]

    def transcript(self) -> list[PastMessage]:
        """In the order in which the messages began, as the page has shown them."""
        return sorted(self.past.values(), key=lambda message: message.at)

    def clear(self) -> None:
        self.time += timedelta(seconds=1)
        self.conversation.clear()
        self.conversation.keep_clear()
        self.past.clear()


class Tab:
    """A browser tab: it reads events one at a time, and `cut` loses what was not read."""

    def __init__(self, desk: Desk, boot: str = "boot") -> None:
        self.desk = desk
        self.boot = boot
        self.thread = Thread()
        self.waiting: list[Event] = []
        self.feed: Feed | None = None

    def read(self, count: int = 10**9) -> None:
        for _ in range(count):
            if not self.waiting:
                self.waiting = self.fetch()
            if not self.waiting:
                return
            self.thread.apply(self.waiting.pop(0))

    def fetch(self) -> list[Event]:
        conversation = self.desk.conversation
        if self.feed is None:
            self.feed = Feed(conversation, boot=self.boot, after=self.thread.last_id)
            conversation.feeds.append(self.feed)
        if self.feed.needs_transcript:
            self.feed.open_with(self.desk.transcript())
        chunk = self.feed.take()
        assert len(chunk) <= CHUNK + 4 * PIECE + 2_000
        blocks = chunk.decode().split("\n\n")
        return [event for block in blocks if block and (event := parse(block.split("\n")))]

    def cut(self) -> None:
        if self.feed:
            self.desk.conversation.feeds.remove(self.feed)
        self.feed, self.waiting = None, []
        self.thread.cut()


def ask(desk: Desk, text: str) -> None:
    desk.show(f"c{next(desk.counter)}", "customer", text)


def open_keys(desk: Desk) -> list[str]:
    return [message.key for message in desk.conversation.messages.values() if message.growing]


def grow(desk: Desk, text: str) -> None:
    keys = open_keys(desk)
    key = keys[-1] if keys else f"a{next(desk.counter)}"
    before = desk.conversation.messages[key].text if keys else ""
    desk.show(key, "assistant", before + text, growing=True)


def rewrite(desk: Desk, text: str) -> None:
    for key in open_keys(desk)[-1:]:
        desk.show(key, "assistant", text, growing=True)


def finish(desk: Desk, text: str) -> None:
    for key in open_keys(desk)[:1]:
        desk.show(key, "assistant", desk.conversation.messages[key].text + text, sources=SOURCES)


def post(desk: Desk, text: str) -> None:
    if not desk.unstored:
        desk.unstored = f"c{next(desk.counter)}"
        desk.conversation.show(desk.unstored, "customer", text, at=desk.time)


def refuse(desk: Desk, text: str) -> None:
    desk.conversation.withdraw(desk.unstored)
    desk.unstored = ""


def store_late(desk: Desk, text: str) -> None:
    """A turn of before the fresh start is finished after it."""
    desk.time += timedelta(seconds=1)
    for key in desk.conversation.dropped:
        desk.conversation.show(key, "assistant", text, at=desk.time)
        desk.past[key] = PastMessage(key, "assistant", text, desk.time)


def afresh(desk: Desk, text: str) -> None:
    desk.clear()
    desk.unstored = ""


ACTIONS: list[Callable[[Desk, str], None]] = [
    *(ask, grow, grow, grow, rewrite, finish, finish),
    *(post, refuse, afresh, store_late),
]
TEXTS = st.one_of(
    st.text(alphabet=string.ascii_letters + "đắ 🌱👍🏽\n\u0301", min_size=1, max_size=12),
    st.sampled_from(["x" * (PIECE + 5), "🌱" * PIECE, "ắ" * (2 * PIECE)]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(ACTIONS), TEXTS),
        st.tuples(st.just("read"), st.integers(1, 4)),
        st.tuples(st.just("cut"), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_after_any_drops_a_tab_shows_what_one_that_never_dropped_shows(steps: list[tuple[object, object]]) -> None:
    desk = Desk(kept=4)
    for number in range(3):
        desk.past[f"p{number}"] = PastMessage(f"p{number}", "customer", f"{number}" * 3_000, START, SOURCES)
    steady, shaky = Tab(desk), Tab(desk)
    steady.read()
    for step, value in steps:
        if callable(step):
            step(desk, value)
        elif step == "read":
            assert isinstance(value, int)
            shaky.read(value)
        else:
            shaky.cut()
        steady.read()
    if desk.unstored:
        refuse(desk, "")
    steady.read()
    shaky.read()
    late = Tab(desk)
    late.read()
    for tab in (shaky, late):
        assert list(tab.thread.messages.items()) == list(steady.thread.messages.items())
    for key, message in desk.conversation.messages.items():
        assert steady.thread.messages[key]["text"] == message.text
        assert steady.thread.messages[key]["growing"] == message.growing


@given(st.integers(0, 40), st.sampled_from([1, 2, 3, 7]))
def test_a_line_that_is_cut_at_any_event_repeats_and_misses_nothing(cut_at: int, every: int) -> None:
    desk = Desk()
    tab = Tab(desk)
    tab.read()
    appended = ""
    for number in range(40):
        grow(desk, f"{number} ")
        if number == cut_at:
            tab.cut()
        if number % every == 0:
            for event in tab.fetch():
                tab.thread.apply(event)
                appended += event.data["text"] if event.kind in ("message", "append") else ""
                assert event.kind != "snapshot"
    tab.read()
    expected = "".join(f"{number} " for number in range(40))
    assert expected.startswith(appended)
    assert [text for _, text in tab.thread.texts] == [expected]


def test_an_event_id_of_another_process_or_no_sense_brings_a_snapshot() -> None:
    for strange in (
        "other-1",
        "boot-",
        "boot-99999999999999999999",
        "boot-¹",
        "-1",
        "boot--1",
        "x" * 5_000,
        "boot-999",
    ):
        desk = Desk()
        ask(desk, "hello")
        tab = Tab(desk)
        tab.thread.last_id = strange
        tab.read()
        assert tab.thread.texts == [("customer", "hello")]


def test_a_new_conversation_shows_the_transcript_and_live_messages_once_each() -> None:
    desk = Desk()
    for number in range(3):
        desk.past[f"p{number}"] = PastMessage(f"p{number}", "customer", f"old {number}", START, SOURCES)
    desk.conversation.show("p2", "customer", "old 2", at=START)
    desk.conversation.show("live", "assistant", "grow", at=START, growing=True)
    tab = Tab(desk)
    tab.read()
    assert [text for _, text in tab.thread.texts] == ["old 0", "old 1", "old 2", "grow"]
    assert tab.thread.messages["p0"]["sources"][0]["title"] == "Đổi trả"


def test_old_finished_messages_are_left_to_the_transcript() -> None:
    desk = Desk()
    asleep = Tab(desk)
    asleep.read()
    asleep.cut()
    for number in range(KEPT * 3):
        ask(desk, f"m{number}")
    assert len(desk.conversation.messages) == KEPT
    asleep.read()
    assert [text for _, text in asleep.thread.texts] == [f"m{number}" for number in range(KEPT * 3)]


def test_a_reader_who_takes_nothing_holds_no_text_back() -> None:
    desk = Desk()
    tab = Tab(desk)
    tab.read()
    for _ in range(2_000):
        grow(desk, "x" * 30)
    pieces = []
    while events := tab.fetch():
        pieces.append(len(events))
        for event in events:
            tab.thread.apply(event)
    assert sum(pieces) <= 60_000 // PIECE + 2
    assert tab.thread.texts[0][1] == "x" * 60_000


def test_idle_conversations_are_forgotten_and_those_at_work_are_not() -> None:
    now = [0.0]
    live = Conversations(clock=lambda: now[0])
    live.get("growing").show("a", "assistant", "x", at=START, growing=True)
    watched = live.get("watched")
    watched.feeds.append(Feed(watched, boot="b", after=None))
    for number in range(1_000):
        live.get(f"{number}")
        now[0] += 1
    assert len(live) < 200
    assert live.get("growing").messages
    assert live.get("watched") is watched


def test_a_flood_of_visitors_is_held_in_bounds() -> None:
    live = Conversations(clock=lambda: 0.0, limit=50)
    for number in range(1_000):
        live.get(f"{number}")
    assert len(live) <= 50


def test_a_conversation_that_was_forgotten_and_came_back_does_not_mistake_old_event_ids() -> None:
    now = [0.0]
    live = Conversations(clock=lambda: now[0], limit=1)
    first = live.get("a")
    first.show("m", "customer", "x", at=START)
    feed = Feed(first, boot="b", after=None)
    feed.open_with([])
    seen = Thread()
    for block in feed.take().decode().split("\n\n"):
        if event := parse(block.split("\n")):
            seen.apply(event)
    live.get("b")
    again = live.get("a")
    assert again is not first
    assert Feed(again, boot="b", after=seen.last_id).needs_transcript


def test_an_open_tab_that_was_passed_by_everything_is_shown_the_transcript() -> None:
    desk = Desk(kept=3)
    tab = Tab(desk)
    tab.read()
    for number in range(10):
        ask(desk, f"m{number}")
    tab.read()
    assert [text for _, text in tab.thread.texts] == [f"m{number}" for number in range(10)]


def test_an_answer_that_is_stored_after_a_fresh_start_does_not_come_back() -> None:
    desk = Desk()
    ask(desk, "question")
    grow(desk, "answ")
    desk.clear()
    store_late(desk, "answer")
    tab = Tab(desk)
    tab.read()
    assert tab.thread.texts == []


def test_nothing_is_let_go_of_while_a_tab_is_still_being_opened() -> None:
    desk = Desk(kept=2)
    desk.past["old"] = PastMessage("old", "customer", "x" * 5 * PIECE, START)
    for number in range(2):
        ask(desk, f"m{number}")
    tab = Tab(desk)
    tab.read(2)
    for number in range(2, 4):
        ask(desk, f"m{number}")
    tab.read()
    assert [text for _, text in tab.thread.texts][1:] == [f"m{number}" for number in range(4)]


def test_a_tab_that_comes_back_to_another_text_is_not_sent_the_end_of_it_only() -> None:
    desk = Desk()
    tab = Tab(desk)
    grow(desk, "I think that")
    tab.read()
    tab.cut()
    rewrite(desk, "Sorry, something else, and longer.")
    tab.read()
    assert [text for _, text in tab.thread.texts] == ["Sorry, something else, and longer."]


@pytest.mark.parametrize("hours", [1, -1])
def test_after_a_fresh_start_the_clock_may_jump(hours: int) -> None:
    desk = Desk()
    ask(desk, "before")
    desk.clear()
    desk.time += timedelta(hours=hours)
    for number in range(KEPT + 3):
        ask(desk, f"m{number}")
    tab = Tab(desk)
    tab.read()
    assert [text for _, text in tab.thread.texts] == [f"m{number}" for number in range(KEPT + 3)]


def test_a_tab_that_stays_open_for_weeks_remembers_no_more_than_what_is_at_hand() -> None:
    desk = Desk()
    tab = Tab(desk)
    for number in range(KEPT * 4):
        ask(desk, f"m{number}")
        tab.read()
    assert [text for _, text in tab.thread.texts] == [f"m{number}" for number in range(KEPT * 4)]
    assert tab.feed
    assert tab.feed.remembers <= KEPT
