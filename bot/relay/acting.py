"""What staff do with buttons and commands: each is done once, is on record, and is answered with a sentence."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, tzinfo

from bot.chat import Address, InboundMessage, Receive
from bot.desk import Action, ActionKind, ActionResult, Person
from bot.handoff import QUIET, NotPossible, after, closing_at, due, snoozed
from bot.policies.live import Policies
from bot.policies.waiting import waiting_words
from bot.relay.card import safe
from bot.relay.rules import DeskRules
from bot.relay.times import moment_of
from bot.relay.words import Words
from bot.storage.cases import Case, Cases, Decide, Then
from bot.storage.errands import Customer, Errand, Errands
from bot.text import is_blank

_OLDER = 8
_TAKES = ("take", "assign", "transfer")
_LANGUAGES = ("vi", "en")
_DONE = {
    "take": "desk_taken",
    "release": "desk_released",
    "resolve": "desk_resolved",
    "reopen": "desk_reopened",
}

Extra = Callable[[Action, Case], Awaitable[ActionResult]]
"""Does what is not the relay's own: snippets, drafts, translations."""


class Acting:
    """`silence` is called with a conversation as soon as a person has it."""

    def __init__(
        self,
        *,
        cases: Cases,
        errands: Errands,
        policies: Callable[[], Policies],
        rules: DeskRules,
        zone: tzinfo,
        extras: Mapping[ActionKind, Extra],
        receive: Receive,
        silence: Callable[[int], None],
        wake: Callable[[], None],
        now: Callable[[], datetime],
    ) -> None:
        self._cases = cases
        self._errands = errands
        self._policies = policies
        self._rules = rules
        self._zone = zone
        self._extras = extras
        self._receive = receive
        self._silence = silence
        self._wake = wake
        self._now = now

    async def act(self, action: Action) -> ActionResult:
        """See `bot.desk.Act`."""
        words = self._words(action.language)
        conversation_id = await self._cases.conversation_at(action.post)
        case = await self._cases.newest(conversation_id) if conversation_id is not None else None
        if case is None:
            return ActionResult(words.say("desk_no_customer"))
        try:
            return await self._do(action, case, words)
        except NotPossible as exc:
            return ActionResult(words.say(exc.key, name=exc.name))
        finally:
            self._wake()

    async def look(self) -> None:
        """Do what time alone does: a snooze is over, a case closes itself. Raises `StorageError`."""
        now, quiet = self._now(), self._rules.quiet
        for case in await self._cases.opened():
            if due(case, now, quiet) == case:
                continue
            customer = await self._errands.customer(case.conversation_id)
            await self._cases.change(case.id, lambda one: due(one, now, quiet), at=now, then=self._of_time(customer))
        self._wake()

    async def _do(self, action: Action, case: Case, words: Words) -> ActionResult:
        match action.kind:
            case "take" | "release" | "resolve" | "reopen" | "assign" | "transfer" | "tag":
                return await self._step(action, case, words)
            case "snooze" | "close_later":
                return await self._put_off(action, case, words)
            case "block" | "unblock":
                return await self._block(action, case, words)
            case "note" | "reply":
                return await self._write(action, case, words)
            case "history":
                return ActionResult(await self._history(case, words))
            case "who":
                return ActionResult(self._who(case, words))
            case _:
                extra = self._extras.get(action.kind)
                return await extra(action, case) if extra else ActionResult(words.say("desk_not_available"))

    async def _step(self, action: Action, case: Case, words: Words) -> ActionResult:
        if action.kind in ("assign", "transfer") and action.other is None:
            raise NotPossible("desk_nobody_named")
        if action.kind == "tag" and is_blank(action.argument):
            raise NotPossible("desk_empty")
        now = self._now()
        customer = await self._errands.customer(case.conversation_id)
        then = self._of_step(action, customer, now)

        def decide(one: Case) -> Case:
            return after(one, action, now)

        if action.kind in _TAKES and case.state == "resolved":
            changed = await self._cases.take_over(case.conversation_id, decide, at=now, action=action, then=then)
        else:
            changed = await self._cases.change(case.id, decide, at=now, action=action, then=then)
        if changed is None:
            return ActionResult(words.say("desk_done_already"))
        if changed.state != "resolved":
            self._silence(case.conversation_id)
        return ActionResult(self._step_words(action, changed, words))

    def _step_words(self, action: Action, case: Case, words: Words) -> str:
        if action.kind == "tag":
            key = "desk_tagged" if action.argument in case.labels else "desk_untagged"
            return words.say(key, label=safe(action.argument, 40))
        if action.other is not None and action.kind in ("assign", "transfer"):
            return words.say("desk_given", name=safe(action.other.name, 40))
        return words.say(_DONE[action.kind])

    def _of_step(self, action: Action, customer: Customer, now: datetime) -> Then:
        """What the customer is told when his case has changed. Who writes at once is not announced before."""

        def then(before: Case, changed: Case) -> Sequence[Errand]:
            if customer.is_blocked or before.state == changed.state:
                return ()
            if changed.state == "resolved":
                return [self._tell(customer, "resolved")]
            if changed.state == "human" and changed.taken_by is not None and action.kind != "reopen":
                return [self._tell(customer, "taken_by", name=self._shown(changed.taken_by, customer))]
            if before.state == "resolved":
                policies = self._policies()
                return [Errand("tell", text=waiting_words(policies, customer.language or policies.language, now))]
            return ()

        return then

    def _of_time(self, customer: Customer) -> Then:
        def then(before: Case, changed: Case) -> Sequence[Errand]:
            words = self._words(self._rules.language)
            if changed.state == "resolved" and changed.resolved_by == QUIET and before.state != "resolved":
                told = [] if customer.is_blocked else [self._tell(customer, "back_to_bot")]
                return [Errand("words", text=words.say("desk_quiet")), *told]
            if before.snoozed_until and not changed.snoozed_until:
                return [Errand("words", text=words.say("desk_snooze_over"))]
            return ()

        return then

    async def _put_off(self, action: Action, case: Case, words: Words) -> ActionResult:
        now = self._now()
        at = moment_of(action.argument, now, self._zone)
        decide: Decide = (
            (lambda one: snoozed(one, at)) if action.kind == "snooze" else (lambda one: closing_at(one, at))
        )
        changed = await self._cases.change(case.id, decide, at=now, action=action)
        if changed is None:
            return ActionResult(words.say("desk_done_already"))
        key = "desk_snoozed" if action.kind == "snooze" else "desk_closing"
        return ActionResult(words.say(key, moment=words.moment(at, now)))

    async def _block(self, action: Action, case: Case, words: Words) -> ActionResult:
        is_blocked, customer = action.kind == "block", await self._errands.customer(case.conversation_id)

        def then(before: Case, changed: Case) -> Sequence[Errand]:
            news = changed.is_blocked and not before.is_blocked
            return [self._tell(customer, "blocked")] if news else ()

        changed = await self._cases.block(case.id, is_blocked, at=self._now(), action=action, then=then)
        if changed is None:
            return ActionResult(words.say("desk_done_already"))
        if is_blocked:
            self._silence(case.conversation_id)
        return ActionResult(words.say("desk_blocked" if is_blocked else "desk_unblocked"))

    async def _write(self, action: Action, case: Case, words: Words) -> ActionResult:
        if is_blank(action.argument):
            raise NotPossible("desk_empty")
        is_note = action.kind == "note"
        note = self._words(self._rules.language).say("desk_note_by", text=action.argument)
        if not is_note:
            # On record as his words before it is on record as done: what is delivered twice is stored once.
            await self._receive(self._as_message(action))
        changed = await self._cases.change(
            case.id,
            lambda one: one,
            at=self._now(),
            action=action,
            then=lambda before, changed: [Errand("words", author=action.by.name, text=note)] if is_note else (),
        )
        if changed is None:
            return ActionResult(words.say("desk_done_already"))
        return ActionResult(words.say("desk_noted" if is_note else "desk_sent"))

    def _as_message(self, action: Action) -> InboundMessage:
        return InboundMessage(
            message_id=f"action:{action.id}",
            address=action.post,
            sender_id=action.by.id,
            sender_name=action.by.name,
            text=action.argument,
            sent_at=self._now(),
            role="staff",
            command="reply",
        )

    async def _history(self, case: Case, words: Words) -> str:
        now = self._now()
        lines = []
        for one in (await self._cases.all_of(case.conversation_id))[:_OLDER]:
            end = words.moment(one.resolved_at, now) if one.resolved_at else "…"
            by = f" · {safe(one.taken_by.name, 40)}" if one.taken_by else ""
            summary = f": {safe(one.summary, 120)}" if one.summary else ""
            lines.append(f"- {words.moment(one.opened_at, now)} – {end} · {words.reason(one.reason)}{by}{summary}")
        return "\n".join(lines)

    def _who(self, case: Case, words: Words) -> str:
        now = self._now()
        if case.state == "resolved":
            return words.say("desk_who_bot")
        if case.taken_by is None:
            return words.say("desk_who_nobody", moment=words.moment(case.opened_at, now))
        since = words.moment(case.taken_at or case.opened_at, now)
        return words.say("desk_who", name=safe(case.taken_by.name, 40), moment=since)

    def _tell(self, customer: Customer, key: str, **values: object) -> Errand:
        policies = self._policies()
        return Errand("tell", text=policies.sentence(key, customer.language or policies.language, **values))

    def _shown(self, by: Person, customer: Customer) -> str:
        """Who answers, as the settings say that the customer sees it."""
        if self._rules.staff_name == "name":
            return safe(by.name, 40)
        policies = self._policies()
        key = "shop_name" if self._rules.staff_name == "shop" else "staff_role"
        return policies.sentence(key, customer.language or policies.language)

    def _words(self, language: str | None) -> Words:
        known = language if language in _LANGUAGES else self._rules.language
        return Words(known, self._zone)


async def completions(cases: Cases, post: Address, kind: ActionKind, beginning: str) -> tuple[str, ...]:
    """What the argument of a command could be; what only a snippet knows is somebody else's."""
    if kind in ("snooze", "close_later"):
        return tuple(one for one in ("30m", "2h", "1d", "9:00", "mon 9:00") if one.startswith(beginning))
    conversation_id = await cases.conversation_at(post)
    if kind != "tag" or conversation_id is None:
        return ()
    labels = {label for case in await cases.all_of(conversation_id) for label in case.labels}
    return tuple(sorted(label for label in labels if label.casefold().startswith(beginning.casefold())))
