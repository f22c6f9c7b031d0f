"""The command: what it prints, and the status that it leaves with."""

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from bot.checks import CheckResult
from bot.cli import Announce, Program, command, show
from bot.config import Config
from bot.errors import PlatformError, Problem, PromptsError, ShopdeskError, StorageError
from bot.init import Connections
from bot.llm.base import ChatModel
from bot.settings import Settings
from bot.storage.backup import Listed, Saved
from bot.storage.restore import Restored
from bot.storage.stats import Stats
from tests.bot.test_stats import counted

ROOT = Path(__file__).parent.parent.parent
TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"
FINDINGS = (
    CheckResult("storage", "ok", "data/shopdesk.db can be written.", data={"schema": 1}),
    CheckResult("telegram", "failed", "Telegram does not know this token.", "Ask @BotFather for a new one."),
    CheckResult("discord", "off", "DISCORD_BOT_TOKEN is not set."),
    CheckResult("model", "warning", "The first text took 9.5 s.", data={"first_text": 9.5}),
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, an environment without settings, and logging as it was before."""
    folder, environment, handlers = Path.cwd(), dict(os.environ), list(logging.getLogger().handlers)
    os.chdir(tmp_path)
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    yield tmp_path
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    logging.captureWarnings(False)
    logging.getLogger().handlers[:] = handlers


class Shop:
    """Stands where the real program stands: remembers what it was asked, and fails when told to."""

    def __init__(self, *, error: BaseException | None = None, findings: tuple[CheckResult, ...] = FINDINGS) -> None:
        self.asked: list[str] = []
        self.settings: Settings | None = None
        self._error = error
        self._findings = findings
        self.saved: tuple[Listed, ...] = ()

    async def run(self, settings: Settings, announce: Announce) -> None:
        self._do("run", settings)
        announce("The page is at http://127.0.0.1:8080")

    async def chat(self, settings: Settings) -> None:
        self._do("chat", settings)

    async def check(self, settings: Settings) -> tuple[CheckResult, ...]:
        self._do("check", settings)
        return self._findings

    def backup(self, settings: Settings, file: Path) -> Saved:
        self._do(f"backup {file}", settings)
        return Saved(file, 1_234_567, 2, 34, 12)

    def restore(self, settings: Settings, file: Path) -> Restored:
        self._do(f"restore {file}", settings)
        return Restored(settings.database, file, settings.shopdesk_data / "kept.db", 2, 34, 12)

    def backups(self, settings: Settings) -> tuple[Listed, ...]:
        self._do("backups", settings)
        return self.saved

    def stats(self, settings: Settings, since: datetime | None) -> tuple[Stats, Config]:
        self._do("stats of all" if since is None else f"stats of {(datetime.now(UTC) - since).days} days", settings)
        return counted(settings.database, since=since), Config()

    def _do(self, word: str, settings: Settings) -> None:
        self.asked.append(word)
        self.settings = settings
        if self._error:
            raise self._error

    def type(self, *words: str) -> Result:
        async def untried(**_: object) -> CheckResult:
            raise AssertionError("nothing was to be tried")

        def no_model(settings: Settings, policies: object) -> ChatModel:
            raise AssertionError("no model was to be asked")

        connections = Connections(telegram=untried, discord=untried, anthropic=untried)
        program = Program(
            run=self.run,
            chat=self.chat,
            check=self.check,
            backup=self.backup,
            restore=self.restore,
            backups=self.backups,
            stats=self.stats,
            model=no_model,
            connections=connections,
        )
        return CliRunner().invoke(command(program), words, terminal_width=80)


@pytest.mark.parametrize("words", [(), ("run",)])
def test_with_no_word_it_runs(words: tuple[str, ...]) -> None:
    shop = Shop()
    result = shop.type(*words)
    assert (result.exit_code, shop.asked) == (0, ["run"])
    assert result.stdout == "The page is at http://127.0.0.1:8080\n"


def test_chat_talks() -> None:
    shop = Shop()
    assert shop.type("chat").exit_code == 0
    assert shop.asked == ["chat"]


def test_the_version_is_told() -> None:
    result = Shop().type("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("shopdesk")


def test_a_backup_says_what_was_saved() -> None:
    shop = Shop()
    result = shop.type("backup", "safe.db")
    assert (result.exit_code, shop.asked) == (0, ["backup safe.db"])
    assert (
        result.stdout == "Saved data/shopdesk.db as safe.db: 34 messages and 12 answers, every page checked, 1.2 MB.\n"
    )
    found = json.loads(shop.type("backup", "safe.db", "--json").stdout)
    assert found == {"path": "safe.db", "bytes": 1234567, "schema": 2, "messages": 34, "answers": 12}


def test_a_restore_says_where_the_database_of_before_is() -> None:
    shop = Shop()
    result = shop.type("restore", "safe.db")
    assert (result.exit_code, shop.asked) == (0, ["restore safe.db"])
    assert "data/shopdesk.db is now what safe.db was: 34 messages and 12 answers" in result.stdout
    assert "The database of before is kept as data/kept.db." in result.stdout
    assert json.loads(shop.type("restore", "safe.db", "--json").stdout)["kept"] == "data/kept.db"


def test_the_list_of_backups_tells_the_good_from_the_damaged() -> None:
    shop = Shop()
    assert shop.type("restore", "--list").stdout == "There are no backups beside data/shopdesk.db yet.\n"
    at = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
    shop.saved = (Listed(Path("b.db"), at, 2_000_000), Listed(Path("a.db"), at, 10, "a.db is no good: short."))
    result = shop.type("restore", "--list")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "b.db  2026-11-20 02:00:00 UTC  2.0 MB  good",
        "a.db  2026-11-20 02:00:00 UTC  0.0 MB  a.db is no good: short.",
    ]
    assert json.loads(shop.type("restore", "--list", "--json").stdout)[0]["at"] == "2026-11-20 02:00:00+00:00"


@pytest.mark.parametrize("words", [(), ("safe.db", "--list")])
def test_a_restore_of_nothing_or_of_two_things_is_status_2(words: tuple[str, ...]) -> None:
    shop = Shop()
    result = shop.type("restore", *words)
    assert (result.exit_code, shop.asked) == (2, [])
    assert "name a backup, or --list to see them" in result.stderr


def test_an_unknown_word_is_status_2() -> None:
    shop = Shop()
    result = shop.type("serve")
    assert (result.exit_code, shop.asked) == (2, [])
    assert "serve" in result.stderr


def test_the_help_names_every_word() -> None:
    result = Shop().type("--help")
    assert result.exit_code == 0
    for word in ("run", "chat", "check", "init", "backup", "restore", "--env-file", "--version"):
        assert word in result.stdout


@pytest.mark.parametrize("words", [("--env-file", "my.env", "chat"), ("chat", "--env-file", "my.env")])
def test_the_settings_come_from_the_file_that_is_named(place: Path, words: tuple[str, ...]) -> None:
    (place / ".env").write_text("SHOPDESK_LANGUAGE=vi\n")
    (place / "my.env").write_text("SHOPDESK_LANGUAGE=en\n")
    shop = Shop()
    assert shop.type(*words).exit_code == 0
    assert shop.settings
    assert shop.settings.shopdesk_language == "en"


def test_a_settings_file_that_is_named_and_missing_is_a_sentence() -> None:
    result = Shop().type("--env-file", "my.env")
    assert result.exit_code == 2
    assert result.stderr == "shopdesk: There is no file my.env: check what stands after --env-file.\n"


def test_wrong_settings_are_one_sentence_a_line(place: Path) -> None:
    (place / ".env").write_text("SHOPDESK_LANGUAGE=fr\nSHOPDESK_WEB=nowhere\n")
    shop = Shop()
    result = shop.type()
    assert (result.exit_code, shop.asked, result.stdout) == (2, [], "")
    assert [line.split()[:2] for line in result.stderr.splitlines()] == [
        ["shopdesk:", "SHOPDESK_WEB"],
        ["shopdesk:", "SHOPDESK_LANGUAGE"],
    ]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StorageError("The data folder cannot be used."), "shopdesk: The data folder cannot be used.\n"),
        (PlatformError("Port 8080 is in use [by another]."), "shopdesk: Port 8080 is in use [by another].\n"),
        (
            PromptsError([Problem("a.md", 3, "No title.", "Add one."), Problem("b.md", 0, "Empty.", "Fill it.")]),
            "shopdesk: a.md:3: No title. Add one.\nshopdesk: b.md: Empty. Fill it.\n",
        ),
    ],
)
@pytest.mark.parametrize("word", ["run", "chat", "check"])
def test_what_goes_wrong_on_purpose_is_a_sentence_and_no_traceback(word: str, error: ShopdeskError, said: str) -> None:
    result = Shop(error=error).type(word)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", said)


def test_a_fault_of_our_own_ends_in_a_sentence_and_hides_the_tokens_in_its_trace(place: Path) -> None:
    (place / ".env").write_text(f"TELEGRAM_BOT_TOKEN={TOKEN}\n")
    result = Shop(error=KeyError(TOKEN)).type()
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("shopdesk: Shopdesk has a fault of its own")
    assert TOKEN not in result.stderr


@pytest.mark.parametrize(("word", "status"), [("run", 0), ("chat", 0), ("check", 130)])
def test_an_interrupt_is_silent(word: str, status: int) -> None:
    result = Shop(error=KeyboardInterrupt()).type(word)
    assert (result.exit_code, result.stderr) == (status, "")


def test_check_says_what_it_found_and_how_to_mend_it() -> None:
    result = Shop().type("check")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "✓ ok       storage   data/shopdesk.db can be written.",
        "✗ failed   telegram  Telegram does not know this token.",
        "                     → Ask @BotFather for a new one.",
        "– off      discord   DISCORD_BOT_TOKEN is not set.",
        "! warning  model     The first text took 9.5 s.",
    ]


def test_check_is_good_when_nothing_failed() -> None:
    findings = tuple(finding for finding in FINDINGS if finding.state != "failed")
    assert Shop(findings=findings).type("check").exit_code == 0


def test_check_tells_programs_the_same() -> None:
    result = Shop().type("check", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert [CheckResult(**check) for check in told["checks"]] == list(FINDINGS)


def test_the_table_fits_a_narrow_terminal() -> None:
    console = Console(width=60, force_terminal=True, color_system=None, highlight=False)
    long = CheckResult("telegram", "failed", "This sentence is much too long for the line. " * 3, "Do something. " * 6)
    with console.capture() as capture:
        show((*FINDINGS, long), console)
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 60
    assert "✗ failed" in capture.get()


def test_a_long_name_does_not_squeeze_the_finding() -> None:
    console = Console(width=80, force_terminal=True, color_system=None, highlight=False)
    with console.capture() as capture:
        show((CheckResult("anthropic:claude-haiku-5-5", "ok", "answers; first text after 459 ms."),), console)
    assert capture.get().splitlines()[0].rstrip() == "✓ ok  anthropic:        answers; first text after 459 ms."


def test_what_a_platform_told_us_cannot_steer_the_terminal() -> None:
    result = Shop(findings=(CheckResult("discord", "ok", "as \x1b[2J[red]bot\u202e\x9b"),)).type("check")
    assert result.stdout == "✓ ok       discord  as [2J[red]bot\n"


STAND_IN = """
    import asyncio, signal, sys
    from bot.cli import Program, main
    from bot.checks import CheckResult
    from bot.init import Connections

    async def run(settings, announce):
        done = asyncio.Event()
        if "bare" not in sys.argv[0]:
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, done.set)
        announce("ready — sẵn sàng")
        if "loud" in sys.argv[0]:
            print("listening", file=sys.stderr, flush=True)
        await done.wait()

    async def chat(settings):
        sys.stdin.readline()

    async def check(settings):
        return (CheckResult("telegram", "ok", "as @cửa_hàng ✓"),)

    async def tried(**_):
        return CheckResult("x", "ok", "as @shop")

    connections = Connections(telegram=tried, discord=tried, anthropic=tried)
    unused = dict.fromkeys(["backup", "restore", "backups", "stats", "model"])
    main(Program(run=run, chat=chat, check=check, connections=connections, **unused))
"""


@pytest.fixture
def start(place: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command as a process of its own, around a stand-in for the program."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str, name: str = "shopdesk.py", **environment: str) -> subprocess.Popen[str]:
        (place / name).write_text(textwrap.dedent(STAND_IN), encoding="utf-8")
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, name, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "0", **environment},
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


@pytest.mark.parametrize(
    ("name", "number"), [("shop.py", signal.SIGINT), ("shop.py", signal.SIGTERM), ("bare.py", signal.SIGINT)]
)
def test_a_signal_ends_a_running_shop_well(
    start: Callable[..., subprocess.Popen[str]], name: str, number: signal.Signals
) -> None:
    process = start("run", name=name)
    assert process.stdout
    assert process.stdout.readline().startswith("ready")
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("words", [("check",), ("check", "--json"), ("--help",)])
def test_no_console_is_too_plain_for_the_output(
    start: Callable[..., subprocess.Popen[str]], words: tuple[str, ...]
) -> None:
    process = start(*words, LC_ALL="C", LANG="C", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert output.isascii()


def test_a_running_shop_goes_on_when_nobody_reads_its_output(start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start("run", name="loud.py")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.readline() == "listening\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert process.stderr.read() == ""


def test_input_that_ends_early_is_one_sentence_and_writes_nothing(
    start: Callable[..., subprocess.Popen[str]], place: Path
) -> None:
    process = start("init")
    _, errors = process.communicate(f"{TOKEN}\n", timeout=20)
    assert process.returncode == 2
    assert errors.startswith("shopdesk: The input ended before the last question")
    assert errors.count("\n") == 1
    assert not (place / ".env").exists()


def test_stats_are_a_page_for_a_person_and_json_for_a_program() -> None:
    shop = Shop()
    result = shop.type("stats", "--since", "7d")
    assert (result.exit_code, shop.asked) == (0, ["stats of 7 days"])
    assert "doubtful sends" in result.stdout
    result = shop.type("stats", "--since", "all", "--json")
    assert (result.exit_code, shop.asked[-1]) == (0, "stats of all")
    assert json.loads(result.stdout)["doubtful_sends"] == 3


def test_a_span_that_is_none_is_a_sentence_and_nothing_is_counted() -> None:
    shop = Shop()
    result = shop.type("stats", "--since", "gestern")
    assert (result.exit_code, shop.asked) == (2, [])
    assert "for example 90m, 6h or 2d, or all" in " ".join(result.stderr.replace("│", " ").split())
