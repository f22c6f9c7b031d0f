"""The life of a canary: begun, on to its next stage, promoted or rolled back; what is stored counts after a restart."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.canary import WHOLE, SeenTurn, Side, after, fault_of, side_of, takes_part
from bot.chat import InboundMessage
from bot.config import Canary as Defaults
from bot.config import Margins
from bot.engine.side import Side as TurnSide
from bot.errors import ControlError, PromptsError, SettingsError, StorageError
from bot.llm.base import ChatModel
from bot.llm.canary import CanaryModel
from bot.llm.offline import Sentence
from bot.metrics import Metrics
from bot.models import OFFLINE, Models, config_of
from bot.notices import Notice, Notify, log_notice
from bot.policies.life import LivePolicies
from bot.policies.live import Policies
from bot.policies.version import short
from bot.settings import Settings
from bot.spans import span_of
from bot.storage.canaries import Canaries, Canary, CanaryTurn, Kind, Plan, What
from bot.storage.database import Database

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds from one look at how it does to the next."""
ITSELF = "shopdesk"
"""Who goes on or back when nobody told it to."""
_FOR_ALL = "it is what all customers get now"
_LOOKED_AT = 200
"""So many turns of a canary count, the newest: what begins to fail late is seen as soon as what fails at once."""
_COMPARED = 5_000


@dataclass(frozen=True, slots=True)
class Compared:
    """Both sides, over the same time."""

    canary: Side
    stable: Side


@dataclass(frozen=True, slots=True)
class _Tried:
    canary: Canary
    model: ChatModel | None = None
    policies: Policies | None = None


class CanaryLife:
    """Chooses the side of each turn, and looks after the canary. One at a time; `load` comes first.

    `ladder` makes the models that answer with one of this name before them; it raises `SettingsError`.
    """

    def __init__(
        self,
        canaries: Canaries,
        policies: LivePolicies,
        ladder: Callable[[str], ChatModel],
        *,
        stable: str,
        defaults: Defaults,
        notify: Notify = log_notice,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._canaries = canaries
        self._policies = policies
        self._ladder = ladder
        self._stable = stable
        self._defaults = defaults
        self._notify = notify
        self._clock = clock
        self._now = now
        self._tried: _Tried | None = None
        self._began = 0.0
        """When this stage did, by the clock."""
        self._owed: tuple[Canary, str] | None = None
        """One that is rolled back, which is not on record yet, and why."""
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Go on with the canary that was there before. Raises `StorageError`."""
        found = await self._canaries.last()
        if not found or not is_on(canary := found[0]):
            return
        plan, last = canary.plan, canary.last
        if plan.tries == await self._is_stable_now(plan.kind):
            what: What = "promoted" if plan.kind == "policies" else "kept"
            await self._record(canary, what, WHOLE, ITSELF, _FOR_ALL)
            return
        try:
            self._tried = await self._prepared(canary, again=True)
        except (SettingsError, PromptsError) as exc:
            await self._end(canary, f"it cannot be tried any more: {str(exc).splitlines()[0]}")
            return
        # Another process saw the stage begin: only the wall clock knows of both.
        self._began = self._clock() - max(0.0, (self._now() - last.at).total_seconds())

    @property
    def current(self) -> Canary | None:
        """The one that takes customers at this moment."""
        return self._tried.canary if self._tried else None

    def side(self, message: InboundMessage) -> TurnSide:
        """The side of a customer, which lasts as long as the canary; staff are on the stable one."""
        live, tried = self._policies.current(), self._tried
        if tried is None or message.role == "staff":
            return TurnSide(live)
        canary, at = tried.canary, message.address
        if not takes_part(canary.plan.salt, f"{at.platform}:{at.chat_id}", canary.last.percent):
            return TurnSide(live)
        return TurnSide(tried.policies or live, canary.id)

    def model(self, variant: int | None) -> ChatModel | None:
        """The model that this canary tries; None: the stable one is to be asked."""
        tried = self._tried
        return tried.model if tried is not None and tried.canary.id == variant else None

    async def start(
        self,
        kind: Kind,
        name: str,
        *,
        who: str,
        why: str = "",
        stages: Sequence[int] = (),
        stage_time: str | None = None,
    ) -> Canary:
        """Begin with the first stage. `stage_time` as in `shopdesk.toml`, or `off`; empty: what that file says.

        Raises a `ShopdeskError` when there is no such thing to try, or one runs already.
        """
        async with self._changing:
            self._must_be_free()
            plan = await self._plan(kind, name, stages, stage_time)
            # What cannot be tried is not begun.
            tried = await self._begun(plan)
            percent = plan.stages[0]
            try:
                canary = await self._canaries.start(plan, percent=percent, at=self._now(), who=who, why=why)
            except StorageError:
                self._policies.end_trial()
                raise
            self._tried, self._began = _Tried(canary, tried.model, tried.policies), self._clock()
        self._tell(canary, f"{words_of(plan)} is tried on {percent} % of the customers, by {who}.", is_over=True)
        return canary

    async def promote(self, *, who: str, why: str = "") -> Canary:
        """Go on to the next stage; behind the last one it is for everybody, and for good. Raises a `ShopdeskError`."""
        async with self._changing:
            canary = self._running()
            if canary.last.what == "promoted":
                raise ControlError(f"{words_of(canary.plan)} is promoted already. {to_keep(canary.plan)}")
            return await self._go_on(canary, who, why)

    async def rollback(self, *, who: str, why: str = "") -> Canary:
        """Try it on nobody any more. Raises a `ShopdeskError`."""
        async with self._changing:
            canary = self._running()
            ended = await self._record(canary, "rolled_back", 0, who, why)
            self._forget()
        reason = f": {why}" if why else ""
        self._tell(ended, f"{words_of(canary.plan)} is not tried any more, by {who}{reason}.", is_over=True)
        return ended

    async def run(self) -> None:
        """Look at it every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.tick()
            except StorageError as exc:
                log.error("the canary was not looked at: %s", exc)
            except Exception:
                log.exception("the canary was not looked at")

    async def tick(self) -> None:
        """Roll it back if it does worse than the stable side, go on if its stage is over. Raises `StorageError`."""
        async with self._changing:
            if self._owed is not None:
                await self._pay()
            tried = self._tried
            if tried is None or tried.canary.last.what != "stage":
                return
            canary, plan = tried.canary, tried.canary.plan
            if plan.kind == "policies" and (live := await self._policies.versions.active()) != plan.stable:
                if live == plan.tries:
                    await self._record(canary, "promoted", WHOLE, ITSELF, _FOR_ALL)
                    self._forget()
                else:
                    await self._end(canary, f"version {short(live or '')} went live meanwhile: compare it with that")
                return
            seen = await compared(self._canaries, canary, self._defaults.margins)
            if fault := fault_of(seen.canary, seen.stable, self._defaults.margins):
                await self._end(canary, fault)
            elif self._is_due(canary, seen.canary):
                await self._go_on(canary, ITSELF, f"{seen.canary.turns} turns were no worse")

    def _is_due(self, canary: Canary, side: Side) -> bool:
        """Whether its stage is over. What nobody has seen answer is not given to more customers."""
        seconds = canary.plan.stage_seconds
        if seconds is None or self._clock() - self._began < seconds or side.turns < self._defaults.margins.turns:
            return False
        return canary.last.percent == WHOLE or after(canary.plan.stages, canary.last.percent) is not None

    async def _go_on(self, canary: Canary, who: str, why: str) -> Canary:
        plan = canary.plan
        if percent := after(plan.stages, canary.last.percent):
            canary = await self._record(canary, "stage", percent, who, why)
            self._tell(
                canary, f"{words_of(plan)} is tried on {percent} % of the customers now, by {who}.", is_over=True
            )
        else:
            if plan.kind == "policies":
                why = why or f"canary {canary.id}"
                change = await self._policies.activate(plan.tries, who=who, why=why, force=True)
                if change.problems:
                    raise PromptsError(change.problems)
            canary = await self._record(canary, "promoted", WHOLE, who, why)
            self._tell(canary, f"{words_of(plan)} is promoted, by {who}. {to_keep(plan)}", is_over=True)
        if self._tried is not None:
            self._tried = _Tried(canary, self._tried.model, self._tried.policies)
        if not is_on(canary):
            self._forget()
        self._began = self._clock()
        return canary

    async def _end(self, canary: Canary, why: str) -> None:
        """Roll back by itself: at once for the customers, on record as soon as that can be written."""
        self._forget()
        self._tell(canary, f"{words_of(canary.plan)} is rolled back: {why}. All customers get {_stable(canary.plan)}.")
        self._owed = canary, why
        await self._pay()

    def _forget(self) -> None:
        self._tried = None
        self._policies.end_trial()

    async def _pay(self) -> None:
        if self._owed is not None:
            canary, why = self._owed
            await self._record(canary, "rolled_back", 0, ITSELF, why)
            self._owed = None

    async def _record(self, canary: Canary, what: What, percent: int, who: str, why: str) -> Canary:
        return await self._canaries.step(canary, what, percent, at=self._now(), who=who, why=why)

    async def _prepared(self, canary: Canary, *, again: bool = False) -> _Tried:
        if canary.plan.kind == "model":
            return _Tried(canary, model=self._ladder(canary.plan.tries))
        return _Tried(canary, policies=await self._policies.try_out(canary.plan.tries, again=again))

    async def _begun(self, plan: Plan) -> _Tried:
        return await self._prepared(Canary(0, plan, ()))

    async def _plan(self, kind: Kind, name: str, stages: Sequence[int], stage_time: str | None) -> Plan:
        defaults, stable = self._defaults, await self._is_stable_now(kind)
        if kind == "model":
            self._must_be_a_model(name)
        else:
            name = await self._policies.find(name)
        if name == stable:
            raise SettingsError(f"{_shown(kind, name)} is what all customers get already: there is nothing to try.")
        if stable is None:
            raise SettingsError("No policy version is live yet: start the program once before you try another one.")
        span = stage_time if stage_time is not None else defaults.stage_time
        seconds = None if span in (None, "off") else span_of(str(span)).total_seconds()
        return Plan(kind, name, stable, secrets.token_hex(8), tuple(stages) or defaults.stages, seconds)

    def _must_be_a_model(self, name: str) -> None:
        provider, _, model = name.partition(":")
        if self._stable == OFFLINE:
            raise SettingsError("No model answers yet (offline), so there is nothing to compare another one with.")
        if not (provider and model):
            raise SettingsError(f"“{name[:64]}” must be PROVIDER:MODEL, for example anthropic:claude-haiku-5-5.")

    async def _is_stable_now(self, kind: Kind) -> str | None:
        return self._stable if kind == "model" else await self._policies.versions.active()

    def _must_be_free(self) -> None:
        if self._owed is not None:
            raise ControlError("The last canary was rolled back, which is not stored yet: try again in a moment.")
        if (canary := self.current) is not None:
            state = "promoted" if canary.last.what == "promoted" else f"tried on {canary.last.percent} %"
            raise ControlError(
                f"One runs already: {words_of(canary.plan)} is {state}. `shopdesk canary rollback` ends it."
            )

    def _running(self) -> Canary:
        if (canary := self.current) is None:
            raise ControlError("No canary runs: `shopdesk canary start --model PROVIDER:MODEL` begins one.")
        return canary

    def _tell(self, canary: Canary, words: str, *, is_over: bool = False) -> None:
        self._notify(Notice("canary", f"canary {canary.id}", words, is_over=is_over))


def canary_of(
    settings: Settings,
    policies: LivePolicies,
    database: Database,
    sentence: Sentence,
    *,
    notify: Notify = log_notice,
    metrics: Metrics | None = None,
) -> tuple[CanaryLife, ChatModel]:
    """The canary of a shop, not loaded yet, and the models that answer, of which it is one. Raises `SettingsError`."""
    config = config_of(settings)
    models = Models(settings, config, sentence=sentence, notify=notify, metrics=metrics)
    life = CanaryLife(
        Canaries(database),
        policies,
        models.ladder,
        stable=models.asked,
        defaults=config.canary,
        notify=notify,
    )
    return life, CanaryModel(models.ladder(), life.model, models.close)


def is_on(canary: Canary) -> bool:
    """Whether it takes customers."""
    return canary.last.what == "stage" or (canary.last.what == "promoted" and canary.plan.kind == "model")


async def compared(canaries: Canaries, canary: Canary, margins: Margins) -> Compared:
    """How both sides did since the stage began, or lately. Raises `StorageError`.

    When everybody takes part nobody is left to compare with: then the stable side is what it was before.
    """
    most, stage = max(_LOOKED_AT, min(margins.turns, _COMPARED)), canary.last.after_turn
    tried = await canaries.turns(canary.id, behind=stage, limit=most)
    # Both over the same time: the larger side has more turns in it.
    since = tried[0].id if len(tried) == most else stage
    if canary.last.percent == WHOLE:
        since = canary.steps[0].after_turn
    stable = await canaries.turns(None, behind=since, limit=_COMPARED)
    return Compared(side_of(map(_seen, tried)), side_of(map(_seen, stable)))


def words_of(plan: Plan) -> str:
    """What is tried, for an operator."""
    return _shown(plan.kind, plan.tries)


def to_keep(plan: Plan) -> str:
    """What is left to do for who wants to keep what was promoted."""
    if plan.kind == "policies":
        return "It is live now."
    return (
        f'To keep it, set SHOPDESK_MODEL={plan.tries} in .env (or use = "{plan.tries}" under [model] in '
        "shopdesk.toml) and restart; until then it answers as a canary of all customers."
    )


def _stable(plan: Plan) -> str:
    return f"{_shown(plan.kind, plan.stable)} again"


def _shown(kind: Kind, name: str) -> str:
    return name if kind == "model" else f"policy version {short(name)}"


def _seen(turn: CanaryTurn) -> SeenTurn:
    return SeenTurn(
        is_bad=turn.failures > 0 or turn.outcome in ("failed", "refused"),
        first_text=None if turn.first_text_ms is None else turn.first_text_ms / 1000,
        is_handed_over=turn.mode != "bot",
    )
