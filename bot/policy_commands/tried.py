"""`shopdesk policies test`: tries the shop's own tests, with or without a model."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from bot.errors import PromptsError, SettingsError, StorageError
from bot.llm.base import ChatModel, Usage
from bot.policies.examine import Ask, Tried, run_tests
from bot.policies.live import Policies
from bot.policies.naming import FOLDER
from bot.policy_commands.chosen import Chosen, chosen
from bot.policy_commands.junit import junit
from bot.policy_commands.options import AsJson, EnvFile, Leave, ReadSettings
from bot.policy_commands.rehearsal import rehearsal
from bot.policy_commands.shown import Printer
from bot.settings import Settings, read_settings
from bot.text import one_line

GOOD, FOUND_WRONG = 0, 1
_QUESTION = 160
_OFFLINE = "offline"

MakeModel = Callable[[Settings, Policies], ChatModel]


def add_tests(app: typer.Typer, *, leave: Leave, settings: ReadSettings, model: MakeModel) -> None:
    """Add the word `test`. `model` makes the model that the settings name."""
    make = model

    @app.command("test")
    def test_(
        context: typer.Context,
        version: Annotated[
            str, typer.Argument(help="What is tried: folder, live, live~1, or first digits of an id.")
        ] = FOLDER,
        model: Annotated[
            str | None,
            typer.Option(metavar="NAME", help="Ask this model, too: anthropic:MODEL. It costs tokens."),
        ] = None,
        junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the result as JUnit XML.")] = None,
        prompts: Annotated[
            Path | None, typer.Option(metavar="DIR", help="Try this folder instead of the shop's own.")
        ] = None,
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Try the tests in prompts/tests: what each question finds and, with a model, what is answered."""

        def run() -> int:
            bench = _Bench(settings(env_file or context.obj), make, as_json=as_json)
            return asyncio.run(bench.run(version, prompts, model, junit))

        leave(run)


class _Bench:
    def __init__(self, settings: Settings, make: MakeModel, *, as_json: bool) -> None:
        self._settings = settings
        self._make = make
        self._as_json = as_json
        zone = ZoneInfo(settings.shopdesk_timezone)
        self._out = Printer(Console(highlight=False), zone)
        self._aside = Printer(Console(stderr=True, highlight=False), zone)

    async def run(self, version: str, folder: Path | None, model: str | None, file: Path | None) -> int:
        settings = self._settings if model is None else with_model(self._settings, model, "--model")
        try:
            on = await chosen(settings, version, folder)
        except PromptsError as exc:
            if self._as_json:
                self._out.json({"ok": False, "problems": exc.problems})
            else:
                self._out.problems(exc.problems)
                self._out.line(("This does not check, so nothing was tried.", "bold red"))
            return FOUND_WRONG
        if file is not None:
            _write(file, b"")  # what cannot be written is said before anything is paid for
        began = time.perf_counter()
        if model is None or settings.model == _OFFLINE:
            tried = await self._try(on, None)
        else:
            tried = await self._try_with_model(on, settings)
        seconds = time.perf_counter() - began
        if file is not None:
            _write(file, junit(tried))
        self._sum_up(on, tried, model, seconds)
        return FOUND_WRONG if any(one.failures for one in tried) else GOOD

    async def _try_with_model(self, on: Chosen, settings: Settings) -> list[Tried]:
        model = self._make(settings, on.policies)
        try:
            async with rehearsal(model, timezone=ZoneInfo(settings.shopdesk_timezone)) as ask:
                return await self._try(on, ask)
        finally:
            await model.close()

    async def _try(self, on: Chosen, ask: Ask | None) -> list[Tried]:
        tried: list[Tried] = []
        async with aclosing(run_tests(on.policies, ask=ask)) as results:
            async for one in results:
                if not self._as_json:
                    self._show(one, tried[-1] if tried else None)
                tried.append(one)
        return tried

    def _show(self, one: Tried, before: Tried | None) -> None:
        if before is None or before.test.file != one.test.file:
            self._out.line((one.test.file, "bold"))
        question = one_line(" → ".join(one.turns), _QUESTION)
        if one.failures:
            self._out.line("  ", ("✗ ", "bold red"), question, (f"  line {one.test.line}", "dim"))
            for failure in one.failures:
                self._out.line("      ", (failure, "red"))
        elif one.is_skipped:
            self._out.line("  ", ("– ", "dim"), (question, "dim"), ("  needs a model", "dim"))
        else:
            self._out.line("  ", ("✓ ", "green"), question)

    def _sum_up(self, on: Chosen, tried: Sequence[Tried], model: str | None, seconds: float) -> None:
        failed = sum(bool(one.failures) for one in tried)
        skipped = sum(one.is_skipped and not one.failures for one in tried)
        unsaid = sum(one.is_unsaid for one in tried)
        passed = len(tried) - failed - skipped
        usage = sum((one.said.usage for one in tried if one.said), Usage())
        if self._as_json:
            counts = {"passed": passed, "failed": failed, "skipped": skipped, "unsaid": unsaid}
            head = {"ok": not failed, "on": on.name, "version": on.policies.version, "model": model}
            tail = {"seconds": round(seconds, 3), "tokens": usage, "tests": [_as_json(one) for one in tried]}
            self._out.json(head | counts | tail)
            return
        if not tried:
            self._out.line(f"There are no tests in {on.name}: put them into tests/NAME.yaml, beside the policies.")
            return
        parts = [f"{passed} passed", f"{failed} failed" if failed else "", f"{skipped} skipped" if skipped else ""]
        words = f"{', '.join(filter(None, parts))} in {seconds:.2f} s, on {on.name}."
        self._out.line((words, "bold red" if failed else "bold green"))
        if unsaid:
            why = "“offline” only quotes" if model else "--model NAME asks one, which costs tokens"
            self._out.line(
                (f"What should be said was not tried for {unsaid} questions: it needs a model ({why}).", "dim")
            )
        elif usage != type(usage)():
            self._out.line((_cost(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens), "dim"))


def _cost(read: int, written: int, cached: int) -> str:
    return f"It cost {read:,} tokens read, {written:,} written and {cached:,} read from the cache."


def _as_json(one: Tried) -> dict[str, Any]:
    state = "failed" if one.failures else "skipped" if one.is_skipped else "passed"
    found = [{"section": hit.section.id, "score": round(hit.score, 4), "good": hit.good} for hit in one.found]
    return {
        "file": one.test.file,
        "line": one.test.line,
        "turns": one.turns,
        "state": state,
        "failures": one.failures,
        "found": found,
        "answer": one.said.text if one.said else None,
        "tokens": one.said.usage if one.said else None,
        "seconds": round(one.seconds, 4),
    }


def with_model(settings: Settings, name: str, option: str) -> Settings:
    """Settings with which this model answers. Raises `SettingsError` for what is no name; it stood behind `option`."""
    try:
        name = read_settings(None, shopdesk_model=name).model
    except SettingsError:
        raise SettingsError(f"{option} {name} names no model: write PROVIDER:MODEL, or offline.") from None
    return settings.model_copy(update={"shopdesk_model": name})


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise StorageError(f"{file} cannot be written ({reason}): check what stands after --junit.") from exc
