"""The words of `shopdesk canary`: try another model or policy version on some of the customers first.

The status is 0 when all is well, 1 when the last canary was rolled back by itself, 2 when the command could not run.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from bot.canary import WHOLE, Side, after
from bot.canary_life import ITSELF, CanaryLife, Compared, canary_of, compared, is_on, to_keep, words_of
from bot.config import Margins
from bot.control import Commands, NotListening, ask
from bot.errors import ControlError, StorageInUse
from bot.models import config_of
from bot.notices import Notice
from bot.policy_commands.change import operator, policies_of
from bot.policy_commands.options import AsJson, EnvFile, Leave
from bot.settings import Settings
from bot.spans import span_of
from bot.storage.canaries import Canaries, Canary, Step
from bot.storage.database import Database
from bot.storage.lock import locked
from bot.storage.policies import PolicyVersions
from bot.storage.reading import ReadOnlyDatabase, is_current, is_there
from bot.text import clean, one_line

GOOD, ROLLED_BACK = 0, 1
_TRIES, _PAUSE = 30, 0.1
"""A program that begins has the lock before it listens."""
_LONGEST = 200
"""Characters of a reason."""
_REMEMBERED = 20
Reason = Annotated[str, typer.Option(help="Why; it is kept, and shown by status.")]


def commands_of(life: CanaryLife) -> Commands:
    """What a program that runs can be asked to do with its canary."""

    async def start(arguments: Mapping[str, Any]) -> Any:
        kind, name = ("model", arguments["model"]) if arguments["model"] else ("policies", arguments["policies"])
        return _named(
            await life.start(
                "model" if kind == "model" else "policies",
                str(name).strip(),
                stages=[int(stage) for stage in arguments["stages"]],
                stage_time=arguments["stage_time"],
                **_by(arguments),
            )
        )

    async def promote(arguments: Mapping[str, Any]) -> Any:
        return _named(await life.promote(**_by(arguments)))

    async def rollback(arguments: Mapping[str, Any]) -> Any:
        return _named(await life.rollback(**_by(arguments)))

    return {"canary.start": start, "canary.promote": promote, "canary.rollback": rollback}


async def change(settings: Settings, command: str, **arguments: Any) -> dict[str, Any]:
    """Have the program that runs do it, or do it in its place. The canary afterwards. Raises a `ShopdeskError`."""
    arguments["who"] = operator()
    for _ in range(_TRIES):
        try:
            async with _alone(settings) as life:
                return dict(await commands_of(life)[command](arguments))
        except StorageInUse as exc:
            in_use = exc
        try:
            return dict(await ask(settings.shopdesk_data, command, **arguments))
        except NotListening:
            await asyncio.sleep(_PAUSE)
    raise ControlError(f"{in_use} It takes no commands: it is an older version, or about to end.")


async def status(settings: Settings) -> dict[str, Any]:
    """How the canary stands, read beside the program that may be running. Raises a `ShopdeskError`."""
    if not is_there(settings.database) or not await is_current(settings.database):
        return {"state": "none", "history": []}  # one that an older program has written has none yet
    canaries, margins = Canaries(ReadOnlyDatabase(settings.database)), config_of(settings).canary.margins
    found = await canaries.last(_REMEMBERED)
    history = [_named(canary) | {"steps": [_step(step) for step in canary.steps]} for canary in found]
    if not found:
        return {"state": "none", "history": []}
    newest, told = found[0], _named(found[0])
    if is_on(newest):
        seen = await compared(canaries, newest, margins)
        told |= {"sides": _sides(seen), "next": _next(newest, seen.canary, margins)}
    return told | {"history": history}


def canary_commands(*, leave: Leave, settings: Callable[[Path | None], Settings]) -> typer.Typer:
    """The group of words. `leave` runs an action and ends with its status, `settings` reads them from a file."""
    app = typer.Typer(no_args_is_help=True, help="Try another model or policy version on some of the customers first.")

    @app.command()
    def start(
        context: typer.Context,
        model: Annotated[str, typer.Option(help="The model to try, PROVIDER:MODEL.")] = "",
        policies: Annotated[str, typer.Option(help="The policy version to try: the first digits of its id.")] = "",
        stages: Annotated[str, typer.Option(help="Percents of the customers, rising: 10,30,50,100.")] = "",
        stage_time: Annotated[str, typer.Option(help="How long a stage lasts: 90m, 6h, 2d; off: by hand.")] = "",
        reason: Reason = "",
        as_json: AsJson = False,
        env_file: EnvFile = None,
    ) -> None:
        """Begin: those of the first stage get it from their next question on."""
        if bool(model.strip()) == bool(policies.strip()):
            raise typer.BadParameter("name one thing to try: --model PROVIDER:MODEL, or --policies VERSION")
        given = {
            "model": model,
            "policies": policies,
            "stages": _stages(stages),
            "stage_time": _stage_time(stage_time),
            "why": reason,
        }
        leave(lambda: _change(settings(env_file or context.obj), "canary.start", given, as_json=as_json))

    @app.command("status")
    def status_(context: typer.Context, as_json: AsJson = False, env_file: EnvFile = None) -> None:
        """Say how both sides do, and what became of earlier ones; status 1: the last one was rolled back by itself."""
        leave(lambda: _status(settings(env_file or context.obj), as_json=as_json))

    @app.command()
    def promote(context: typer.Context, reason: Reason = "", as_json: AsJson = False, env_file: EnvFile = None) -> None:
        """Go on to the next stage now; behind the last one: for everybody."""
        given = {"why": reason}
        leave(lambda: _change(settings(env_file or context.obj), "canary.promote", given, as_json=as_json))

    @app.command()
    def rollback(
        context: typer.Context, reason: Reason = "", as_json: AsJson = False, env_file: EnvFile = None
    ) -> None:
        """Try it on nobody any more."""
        given = {"why": reason}
        leave(lambda: _change(settings(env_file or context.obj), "canary.rollback", given, as_json=as_json))

    return app


def _stages(text: str) -> list[int]:
    try:
        stages = [int(one.strip().removesuffix("%")) for one in text.split(",")] if text.strip() else []
    except ValueError:
        stages = [0]
    if stages != sorted(set(stages)) or not all(0 < stage <= WHOLE for stage in stages):
        raise typer.BadParameter("--stages must be rising percents from 1 to 100, for example 10,30,50,100")
    return stages


def _stage_time(text: str) -> str | None:
    text = text.strip().lower()
    if text in ("", "off"):
        return text or None
    try:
        span_of(text)
    except ValueError as exc:
        raise typer.BadParameter(f"--stage-time {exc}, or off") from None
    return text


def _change(settings: Settings, command: str, given: Mapping[str, Any], *, as_json: bool) -> int:
    done = asyncio.run(change(settings, command, **given))
    _print(json.dumps(done, ensure_ascii=False, indent=2) if as_json else str(done["words"]))
    return GOOD


def _status(settings: Settings, *, as_json: bool) -> int:
    told = asyncio.run(status(settings))
    _print(json.dumps(told, ensure_ascii=False, indent=2) if as_json else "\n".join(_page(told)))
    is_bad = told["state"] == "rolled_back" and told["by"] == ITSELF
    return ROLLED_BACK if is_bad else GOOD


def _page(told: Mapping[str, Any]) -> list[str]:
    if told["state"] == "none":
        return ["No canary was started yet: `shopdesk canary start --model PROVIDER:MODEL` begins one."]
    lines = [str(told["words"])]
    for name, side in told.get("sides", {}).items():
        first = "–" if side["first_text_p95"] is None else f"{side['first_text_p95']:.1f} s"
        lines.append(
            f"  {name:<7} {side['turns']:>5} turns   failed or by a stand-in {side['bad_share']:>4.0%}   "
            f"to a person {side['handed_over_share']:>4.0%}   first text (p95) {first}"
        )
    if told.get("next"):
        lines.append(str(told["next"]))
    for canary in told["history"]:
        lines.append(f"canary {canary['id']}: {canary['tries']}")
        for step in canary["steps"]:
            state = f"{step['percent']} %" if step["what"] == "stage" else step["what"].replace("_", " ")
            why = f": {step['reason']}" if step["reason"] else ""
            lines.append(f"  {step['at'][:16].replace('T', ' ')} UTC  {state:<11}  {step['who']}{why}")
    return lines


def _named(canary: Canary) -> dict[str, Any]:
    """A canary as plain values."""
    plan, last = canary.plan, canary.last
    state = "running" if last.what == "stage" else last.what
    return {
        "id": canary.id,
        "state": state,
        "kind": plan.kind,
        "tries": plan.tries,
        "stable": plan.stable,
        "percent": last.percent,
        "stages": list(plan.stages),
        "stage_seconds": plan.stage_seconds,
        "since": last.at.isoformat(),
        "by": last.who,
        "reason": last.why,
        "words": _words(canary),
    }


def _words(canary: Canary) -> str:
    what, last = words_of(canary.plan), canary.last
    since = f"since {last.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, by {last.who}{f': {last.why}' if last.why else ''}."
    if last.what == "stage":
        return f"{what} is tried on {last.percent} % of the customers {since}"
    if last.what == "promoted":
        return f"{what} is promoted {since} {to_keep(canary.plan)}"
    return f"{what} is {'rolled back' if last.what == 'rolled_back' else 'what the settings name'} {since}"


def _step(step: Step) -> dict[str, Any]:
    at = step.at.astimezone(UTC).isoformat()
    return {"what": step.what, "percent": step.percent, "at": at, "who": step.who, "reason": step.why}


def _sides(seen: Compared) -> dict[str, Any]:
    return {"canary": _side(seen.canary), "stable": _side(seen.stable)}


def _side(side: Side) -> dict[str, Any]:
    return {
        "turns": side.turns,
        "bad": side.bad,
        "bad_share": side.share(side.bad),
        "handed_over": side.handed_over,
        "handed_over_share": side.share(side.handed_over),
        "first_text_p95": side.first_text,
    }


def _next(canary: Canary, side: Side, margins: Margins) -> str:
    """What it waits for."""
    plan, percent = canary.plan, canary.last.percent
    if canary.last.what != "stage":
        return ""
    following = after(plan.stages, percent)
    then = "promoted" if following is None else f"{following} %"
    if plan.stage_seconds is None or (following is None and percent != WHOLE):
        return f"Next: {then}, when you say `shopdesk canary promote`."
    due = canary.last.at + timedelta(seconds=plan.stage_seconds)
    waits = [f"at {due.astimezone(UTC):%Y-%m-%d %H:%M} UTC"] if due > datetime.now(UTC) else []
    if side.turns < margins.turns:
        waits.append(f"after {margins.turns - side.turns} more turns")
    return f"Next: {then} {' and '.join(waits) or 'in a moment'}, or with `shopdesk canary promote`."


def _by(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {key: one_line(clean(str(arguments[key])), _LONGEST) for key in ("who", "why")}


def _print(text: str) -> None:
    Console(highlight=False).print(Text(clean(text)), soft_wrap=True)


@asynccontextmanager
async def _alone(settings: Settings) -> AsyncIterator[CanaryLife]:
    """The canary of a shop that no program serves. Raises `StorageInUse` when one does."""
    with locked(settings.database):
        database = await Database.open(settings.database)
        try:
            policies = policies_of(settings, PolicyVersions(database))
            life, model = canary_of(settings, policies, database, policies.sentence, notify=_quietly)
            try:
                await life.load()
                yield life
            finally:
                await model.close()
        finally:
            await database.close()


def _quietly(notice: Notice) -> None:
    """Who types sees what came of it."""
