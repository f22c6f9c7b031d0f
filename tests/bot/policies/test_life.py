"""What is live, what may follow it, and the way back: with a real folder and a real database."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import Problem, PromptsError, StorageError
from bot.policies.life import LivePolicies
from bot.policies.live import Policies
from bot.policies.version import short, version_of
from bot.storage.database import Database
from bot.storage.policies import PolicyVersions
from tests.bot.policies.shop import RETURNS, good_files, write
from tests.words import eventually

AT = datetime(2026, 11, 20, tzinfo=UTC)
SYSTEM = "system.md"
FAILED = Problem(
    "tests/returns.yaml", 3, "the test “đổi trả” finds another section.", "Correct the policy or the test."
)


class Admin:
    """Edits the folder, starts the program's policies anew, and sees what is said."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = write(folder, good_files())
        self.versions = PolicyVersions(database)
        self.told: list[str] = []
        self.failing: tuple[Problem, ...] = ()
        self.examined: list[str] = []
        self.done = asyncio.Event()
        """Set when the tests of a version have run."""
        self.done.set()

    async def start(self, *, is_manual: bool = False) -> LivePolicies:
        self.live = LivePolicies(
            self.versions,
            self.folder,
            is_manual=is_manual,
            examine=self._examine,
            notice=self.told.append,
        )
        await self.live.open()
        return self.live

    async def save(self, days: int) -> None:
        """Write this number of days into the policy and let the program look at it."""
        self.write("policies/vi/returns.md", RETURNS.replace("7 ngày", f"{days} ngày"))
        assert await self.live.consider()

    def write(self, path: str, text: str | bytes) -> None:
        write(self.folder, {path: text})

    @property
    def days(self) -> str:
        return self.live.current().prompts.sections[0].text.split("**")[1]

    async def _examine(self, policies: Policies) -> Sequence[Problem]:
        self.examined.append(policies.version)
        await self.done.wait()
        return self.failing


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    database = await Database.open(tmp_path / "shopdesk.db")
    yield Admin(tmp_path / "prompts", database)
    await database.close()


async def test_a_save_is_live_and_who_took_the_version_before_keeps_it(admin: Admin) -> None:
    live = await admin.start()
    before = live.current()
    await admin.save(15)
    assert admin.days == "15 ngày"
    assert before.prompts.sections[0].text == "Trong **7 ngày** kể từ ngày nhận."
    assert "7 ngày" in (await before.search("thời hạn"))[0].section.text
    assert [one.why for one in await admin.versions.activations()] == ["first start", "saved"]


async def test_who_follows_is_told_of_each_version_that_goes_live(admin: Admin) -> None:
    live = await admin.start()
    told: list[str] = []
    live.follow(lambda policies: told.append(policies.prompts.sections[0].text.split("**")[1]))
    await admin.save(15)
    assert await live.consider()
    await live.rollback(who="lan", why="nhầm")
    assert told == ["15 ngày", "7 ngày"]


async def test_the_same_folder_again_changes_nothing(admin: Admin) -> None:
    live = await admin.start()
    before = live.current()
    assert await live.consider()
    assert live.current() is before
    assert len(await admin.versions.versions()) == 1


async def test_a_rollback_outlives_a_restart_and_the_next_save_is_live(admin: Admin) -> None:
    await admin.start()
    await admin.save(15)
    change = await admin.live.rollback(who="lan", why="nhầm")
    assert change.changed
    assert admin.days == "7 ngày"
    assert "15 ngày" in (admin.folder / "policies/vi/returns.md").read_text(encoding="utf-8")
    await admin.start()
    assert admin.days == "7 ngày"
    assert await admin.live.consider()
    assert admin.days == "7 ngày"
    await admin.save(21)
    assert admin.days == "21 ngày"


async def test_a_mistake_that_is_undone_does_not_undo_the_rollback(admin: Admin) -> None:
    await admin.start()
    await admin.save(15)
    await admin.live.rollback(who="lan", why="nhầm")
    admin.write(SYSTEM, "")
    assert await admin.live.consider()
    admin.write(SYSTEM, good_files()[SYSTEM])
    assert await admin.live.consider()
    os.rename(admin.folder, admin.folder.with_name("away"))
    assert await admin.live.consider()
    os.rename(admin.folder.with_name("away"), admin.folder)
    assert await admin.live.consider()
    assert admin.days == "7 ngày"


async def test_rollbacks_go_further_back_each_time_and_then_say_that_there_is_nothing(admin: Admin) -> None:
    await admin.start()
    for days in (15, 21):
        await admin.save(days)
    for days in (15, 7):
        await admin.live.rollback(who="lan", why="nhầm")
        assert admin.days == f"{days} ngày"
    with pytest.raises(StorageError, match=r"^There is no version to go back to"):
        await admin.live.rollback(who="lan", why="nhầm")
    await admin.live.activate("folder", who="lan", why="lại")
    assert admin.days == "21 ngày"


async def test_a_folder_that_does_not_check_leaves_what_is_live_and_is_told_once(
    admin: Admin, caplog: pytest.LogCaptureFixture
) -> None:
    await admin.start()
    admin.write(SYSTEM, "<<<<<<< HEAD\n")
    for _ in range(3):
        assert await admin.live.consider()
    version = short(admin.live.current().version)
    assert admin.days == "7 ngày"
    assert len(admin.told) == 1
    assert f"version {version} stays live" in admin.told[0]
    assert "system.md:1: a mark of a merge conflict was left in." in admin.told[0]
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


async def test_a_thousand_problems_are_told_in_a_few_lines(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    await admin.start()
    for number in range(100):
        admin.write(f"wrong-{number}.txt", "x")
    assert await admin.live.consider()
    assert len(caplog.records) == 22
    assert caplog.messages[-1] == "80 more problems: `shopdesk policies check` lists them all."


@pytest.mark.parametrize("what", ["large", "deleted", "a file", "link", "pipe", "bytes"])
async def test_whatever_becomes_of_the_folder_the_old_version_stays_live_and_the_next_good_one_is_taken(
    admin: Admin, what: str
) -> None:
    await admin.start()
    file = admin.folder / SYSTEM
    match what:
        case "large" | "bytes":
            file.write_bytes(b"x" * 10_000_000 if what == "large" else b"\xff\xfe\x00")
        case "deleted" | "a file":
            shutil.rmtree(admin.folder)
        case _:
            file.unlink()
    if what == "a file":
        admin.folder.write_text("x")
    elif what == "link":
        file.symlink_to("/etc/hostname")
    elif what == "pipe":
        os.mkfifo(file)
    assert await admin.live.consider()
    assert admin.days == "7 ngày"
    assert len(admin.told) == 1
    assert admin.told[0].count("\n") == 1
    if admin.folder.is_file():
        admin.folder.unlink()
    if file.exists() or file.is_symlink():
        file.unlink()
    write(admin.folder, good_files())
    await admin.save(15)
    assert admin.days == "15 ngày"


async def test_a_file_that_may_not_be_read_is_one_sentence(admin: Admin) -> None:
    await admin.start()
    (admin.folder / SYSTEM).chmod(0)
    if os.access(admin.folder / SYSTEM, os.R_OK):
        pytest.skip("this user may read everything")
    assert await admin.live.consider()
    assert "system.md: this cannot be read: permission denied. Let the bot's user read it." in admin.told[0]
    assert admin.days == "7 ngày"


async def test_a_folder_that_is_being_written_to_is_left_for_later(admin: Admin) -> None:
    await admin.start()
    done = asyncio.Event()

    async def write_on() -> None:
        number = 0
        while not done.is_set():
            number += 1
            admin.write(SYSTEM, f"{number}\n")
            await asyncio.sleep(0)

    writing = asyncio.create_task(write_on())
    try:
        for _ in range(100):
            if not await admin.live.consider():
                break
        else:
            raise AssertionError("it was never seen to change")
    finally:
        done.set()
        await writing
    assert await admin.live.consider()
    assert admin.live.current().prompts.system == (admin.folder / SYSTEM).read_text().strip()


async def test_two_who_save_at_once_are_one_after_the_other_and_the_last_state_is_live(admin: Admin) -> None:
    await admin.start()
    admin.write("policies/vi/returns.md", RETURNS.replace("7 ngày", "15 ngày"))
    admin.write(SYSTEM, "Lan viết.\n")
    await asyncio.gather(*(admin.live.consider() for _ in range(5)))
    assert (admin.days, admin.live.current().prompts.system) == ("15 ngày", "Lan viết.")
    assert len(await admin.versions.versions()) == 2


async def test_the_first_start_needs_a_folder_that_checks_and_passes(admin: Admin) -> None:
    admin.write(SYSTEM, "")
    with pytest.raises(PromptsError, match=r"system\.md: this file is empty"):
        await admin.start()
    admin.write(SYSTEM, "x\n")
    admin.failing = (FAILED,)
    with pytest.raises(
        PromptsError, match=r"1 test fails \(tests/returns\.yaml:3\).* policies activate folder --force"
    ):
        await admin.start()
    admin.failing = ()
    await admin.start()
    assert admin.days == "7 ngày"


async def test_a_later_start_with_a_broken_folder_serves_the_version_of_before(admin: Admin) -> None:
    await admin.start()
    admin.write(SYSTEM, "")
    await admin.start()
    assert admin.days == "7 ngày"
    assert len(admin.told) == 1
    assert "does not check (1 problem), version" in (await admin.live.standing()).words()


async def test_a_candidate_whose_tests_fail_is_kept_and_goes_live_only_by_force(admin: Admin) -> None:
    await admin.start()
    admin.failing = (FAILED,)
    await admin.save(15)
    assert admin.days == "7 ngày"
    assert str(FAILED) in admin.told[0]
    candidate = (await admin.versions.versions())[-1].id
    assert "1 test failed" in (await admin.live.standing()).words()

    refused = await admin.live.activate(short(candidate), who="lan", why="gấp")
    assert (refused.changed, refused.problems, refused.may_force) == (False, (FAILED,), True)
    forced = await admin.live.activate(short(candidate), who="lan", why="gấp", force=True)
    assert forced.changed
    assert admin.days == "15 ngày"
    await admin.start()
    assert admin.days == "15 ngày"


async def test_the_log_names_failing_tests_by_their_places_and_not_by_what_they_ask(
    admin: Admin, caplog: pytest.LogCaptureFixture
) -> None:
    await admin.start()
    caplog.clear()
    admin.failing = tuple(Problem("tests/x.yaml", line, "“tôi tên Lan” should find “x”.", "") for line in range(1, 8))
    await admin.save(15)
    (warning,) = caplog.messages
    assert "stays live: 7 tests fail (tests/x.yaml:1, " in warning
    assert warning.endswith("tests/x.yaml:5 and 2 more). `shopdesk policies test` shows what they expect.")
    assert "Lan" not in warning
    assert "tôi tên Lan" in admin.told[0]


async def test_a_kill_between_going_live_and_being_remembered_as_considered_leaves_it_live(admin: Admin) -> None:
    await admin.start()
    await admin.save(15)
    admin.write("policies/vi/returns.md", RETURNS.replace("7 ngày", "21 ngày"))
    files = {**admin.live.current().prompts.files} | {"policies/vi/returns.md": RETURNS.replace("7 ngày", "21 ngày")}
    version = await admin.versions.store(files, hash=version_of(files), at=AT, who="folder", why="saved")
    await admin.versions.activate(version, at=AT, who="folder", why="saved")
    await admin.start()
    assert admin.days == "21 ngày"
    await admin.live.rollback(who="lan", why="nhầm")
    await admin.start()
    assert admin.days == "15 ngày"


async def test_what_its_tests_refused_is_tried_again_at_the_next_start(admin: Admin) -> None:
    await admin.start()
    admin.failing = (FAILED,)
    await admin.save(15)
    admin.failing = ()
    assert await admin.live.consider()
    assert admin.days == "7 ngày"
    await admin.start()
    assert admin.days == "15 ngày"


async def test_a_version_that_was_live_before_is_not_examined_again(admin: Admin) -> None:
    await admin.start()
    await admin.save(15)
    admin.failing = (FAILED,)
    assert (await admin.live.activate("live~1", who="lan", why="lại")).changed
    assert admin.days == "7 ngày"


async def test_a_rollback_does_not_wait_for_the_tests_of_a_candidate(admin: Admin) -> None:
    await admin.start()
    await admin.save(15)
    admin.done.clear()
    saving = asyncio.create_task(admin.save(21))
    await eventually(lambda: len(admin.examined) == 3)
    assert (await admin.live.rollback(who="lan", why="gấp")).changed
    assert admin.days == "7 ngày"
    admin.done.set()
    await saving
    assert admin.days == "21 ngày"


async def test_in_manual_mode_a_candidate_waits_and_is_examined_once(admin: Admin) -> None:
    await admin.start(is_manual=True)
    await admin.save(15)
    assert admin.days == "7 ngày"
    assert "which waits" in (await admin.live.standing()).words()
    assert len(admin.examined) == 2
    version = (await admin.versions.versions())[-1].id
    assert (await admin.live.activate(version[:8], who="lan", why="duyệt")).changed
    assert admin.days == "15 ngày"
    assert len(admin.examined) == 2
    assert (await admin.live.standing()).words() == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("beefbeef", r"^There is no policy version beefbeef\. The last ones are [0-9a-f]{12}; `shopdesk policies h"),
        ("f" * 64, r"^There is no policy version f{12}\. "),
        ("Tết", "^“tết” names no version: write the first digits of its id"),
        ("live~7", "^There is no live~7: before the version that is live there were 0"),
        ("../../etc", "names no version"),
        ("' OR 1=1 --", "names no version"),
        ("", "names no version"),
    ],
)
async def test_a_version_that_does_not_exist_is_one_sentence(admin: Admin, name: str, words: str) -> None:
    await admin.start()
    with pytest.raises(StorageError, match=words):
        await admin.live.activate(name, who="lan", why="x")
    assert admin.days == "7 ngày"


async def test_the_links_and_sentences_are_those_of_the_live_version(admin: Admin) -> None:
    live = await admin.start()
    assert live.may_link("https://shop.example/x")
    assert not live.may_link("https://new.example/x")
    admin.write("policies/vi/returns.md", RETURNS.replace("shop.example", "new.example"))
    admin.write("sentences/vi.toml", good_files()["sentences/vi.toml"].replace("Nhà Mây", "Nhà Gió"))
    assert await live.consider()
    assert live.may_link("https://new.example/x")
    assert live.linked_hosts() == {"new.example"}
    assert live.sentence("shop_name") == "Nhà Gió"


async def test_a_version_that_the_program_cannot_use_any_more_gives_way_to_a_folder_that_checks(admin: Admin) -> None:
    old = await admin.versions.store({"system.md": "x\n"}, hash="a" * 64, at=AT, who="lan", why="cũ")
    await admin.versions.activate(old, at=AT, who="lan", why="cũ")
    await admin.start()
    assert admin.days == "7 ngày"
    assert [one.why for one in await admin.versions.activations()] == ["cũ", "new program"]
    change = await admin.live.rollback(who="lan", why="thử")
    assert (change.changed, change.may_force) == (False, False)
    assert admin.days == "7 ngày"


async def test_other_work_goes_on_while_thousands_of_sections_are_taken_over(admin: Admin) -> None:
    """No other task waits long: reading, checking and indexing are done on threads."""
    await admin.start()
    for number in range(5):
        sections = "".join(f"## Mục {one}\n\nĐổi trả số {one} trong {one} ngày.\n\n" for one in range(400))
        admin.write(f"policies/vi/part-{number}.md", f"---\ntitle: Phần {number}\n---\n{sections}")
    taking = asyncio.create_task(admin.live.consider())
    beats = 0
    while not taking.done():
        await asyncio.sleep(0)
        beats += 1
    assert taking.result()
    assert len(admin.live.current().prompts.sections) > 2_000
    assert beats > 100
