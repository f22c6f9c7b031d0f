"""Writes into the posts of the desk what is on record, each thing once."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from bot.chat import AttachmentKind, File, MessageRef
from bot.desk import MARKS, Card, Post, PostMessage, StaffDesk
from bot.errors import MessageGone
from bot.policies.live import Policies
from bot.relay.card import card_of, safe
from bot.relay.desk_files import Unfetched, fetched
from bot.relay.pieces import pieces
from bot.relay.words import Words
from bot.scheduler import SendScheduler
from bot.storage.casefiles import CaseFile, CaseFiles
from bot.storage.cases import Case, Cases
from bot.storage.errands import FILES, Errand, Errands
from bot.storage.messages import StoredMessage
from bot.storage.relays import Relays

log = logging.getLogger(__name__)

_SUMMARY = 700
_WITHOUT_BYTES: frozenset[AttachmentKind] = frozenset({"location", "contact"})


class PostGone(Exception):
    """The post is not there any more; that is on record."""


class Posts:
    """One object for the whole desk; each conversation is shown by one task at a time."""

    def __init__(
        self,
        *,
        desk: StaffDesk,
        cases: Cases,
        files: CaseFiles,
        errands: Errands,
        relays: Relays,
        schedulers: Mapping[str, SendScheduler],
        policies: Callable[[], Policies],
        words: Words,
        now: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._cases = cases
        self._files = files
        self._errands = errands
        self._relays = relays
        self._schedulers = schedulers
        self._policies = policies
        self._words = words
        self._now = now

    async def show(self, conversation_id: int) -> None:
        """Show all that is on record of a conversation. Raises `PlatformError`, `StorageError`, and `PostGone` when it
        is to be begun again."""
        case, post = await self._cases.newest(conversation_id), await self._cases.post_of(conversation_id)
        errands = await self._errands.at_desk(conversation_id)
        lost = await self._cases.posts_lost(conversation_id)
        if case is None or (post is None and case.state == "resolved" and not _has_words(errands)):
            await self._let_go(case, errands)
            return
        try:
            if post is None:
                card = self._card(case, await self._files.of(conversation_id))
                post = await self._desk.open_post(card, key=_named(f"post-{conversation_id}", lost))
                await self._cases.keep_post(conversation_id, post)
                await self._cases.is_shown(case)
            elif case.shown < case.changes:
                post = await self._show_card(case, post, lost)
            for errand in errands:
                await self._do(errand, post, lost)
        except MessageGone as exc:
            if post is None:
                raise
            await self._cases.lose_post(conversation_id, post)
            raise PostGone from exc

    async def _let_go(self, case: Case | None, errands: Sequence[Errand]) -> None:
        """Nobody needs a post for what is over."""
        if case is not None:
            await self._cases.is_shown(case)
        for errand in errands:
            await self._errands.done(errand, at=self._now())

    async def _show_card(self, case: Case, post: Post, lost: int) -> Post:
        file = await self._files.of(case.conversation_id)
        shown = await self._desk.show_card(post, self._card(case, file))
        if shown != post:
            await self._cases.keep_post(case.conversation_id, shown)
        if not case.shown and file.cases > 1:
            # The card stands far above what was said since the case before: whoever reads the end sees this.
            reason, summary = self._words.reason(case.reason), safe(case.summary, _SUMMARY)
            text = self._words.say("desk_handed", reason=reason, summary=summary).strip()
            message = PostMessage(self._words.say("desk_name"), text)
            await self._desk.write(shown, message, key=_named(f"case-{case.id}", lost))
        await self._cases.is_shown(case)
        return shown

    def _card(self, case: Case, file: CaseFile) -> Card:
        prefixes = self._policies().prompts.desk.order_prefixes
        return card_of(case, file, self._words, prefixes=prefixes, now=self._now())

    async def _do(self, errand: Errand, post: Post, lost: int) -> None:
        key = _named(f"errand-{errand.id}", lost)
        match errand.kind:
            case "message":
                await self._write(errand, post, key)
            case "edit":
                await self._rewrite(errand, post, key)
            case "deletion":
                await self._strike(errand)
            case "words":
                author = errand.author or self._words.say("desk_name")
                for number, text in enumerate(pieces(errand.text, self._units)):
                    await self._desk.write(post, PostMessage(author, text), key=_part(key, number))
                await self._errands.done(errand, at=self._now())
            case "mark":
                await self._mark(errand, post, key)
            case _:
                await self._errands.done(errand, at=self._now())

    @property
    def _units(self) -> int:
        return self._schedulers[self._desk.name].platform.limits.max_units

    async def _write(self, errand: Errand, post: Post, key: str) -> None:
        """A message of the customer's, or an album, with all that hangs on it."""
        messages = await self._errands.messages(errand.inbox_ids)
        files, left = await self._fetched(messages)
        lines = [*(stored.message.text for stored in messages if stored.message.text.strip())]
        lines += [self._left(one) for one in left]
        texts, most = pieces("\n".join(lines), self._units), max(1, self._file_limit)
        groups = [files[start : start + most] for start in range(0, len(files), most)]
        hang = await self._relays.hang_at_desk(messages[0], post.address)
        author, places = messages[-1].message.sender_name, dict[int, MessageRef]()
        for number, text in enumerate(texts or ([""] if groups else [])):
            first = tuple(groups.pop(0)) if number == 0 and groups else ()
            message = PostMessage(author, text, first, is_plain=True, reply_to=hang if number == 0 else None)
            places[number] = await self._desk.write(post, message, key=_part(key, number))
        for number, group in enumerate(groups):
            message = PostMessage(author, "", tuple(group), is_plain=True)
            places[FILES + number] = await self._desk.write(post, message, key=f"{key}/f{number}")
        await self._errands.done(errand, at=self._now(), places=places, then=await self._regrets(errand, left))

    async def _rewrite(self, errand: Errand, post: Post, key: str) -> None:
        """The newest text of a message, where it stands; as a message of its own when staff never saw it."""
        assert errand.about is not None
        places = await self._errands.places(errand.about)
        messages = await self._errands.shown_with(errand.about)
        text = "\n".join(stored.message.text for stored in messages if stored.message.text.strip())
        author = messages[-1].message.sender_name
        if not places:
            text = self._words.say("desk_edited", text=text)
        texts = pieces(text, self._units) or [""]
        before = {part: ref for part, ref in places.items() if part < FILES}
        after = {part: ref for part, ref in places.items() if part >= FILES}
        for number, piece in enumerate(texts):
            message = PostMessage(author, piece, is_plain=True)
            if (ref := before.pop(number, None)) is None:
                after[number] = await self._desk.write(post, message, key=_part(key, number))
                continue
            after[number] = ref
            try:
                await self._desk.rewrite(ref, message)
            except MessageGone:
                log.info("a message of the post was deleted there; its newest text is not shown")
        for ref in before.values():
            await self._struck(ref)
        await self._errands.done(errand, at=self._now(), places=after)

    async def _strike(self, errand: Errand) -> None:
        assert errand.about is not None
        for ref in (await self._errands.places(errand.about)).values():
            await self._struck(ref)
        await self._errands.done(errand, at=self._now())

    async def _struck(self, ref: MessageRef) -> None:
        try:
            await self._desk.strike(ref)
        except MessageGone:
            log.debug("what the customer deleted is gone there, too")

    async def _mark(self, errand: Errand, post: Post, key: str) -> None:
        """What became of a message of staff's; a command has no message that could be marked."""
        assert errand.about is not None
        (stored,) = await self._errands.messages([errand.about])
        if stored.message.command is not None:
            if errand.author == "failed":
                words = self._words.say("desk_not_delivered", reason=errand.text)
                await self._desk.write(post, PostMessage(self._words.say("desk_name"), words), key=key)
        elif stored.message.address == post.address:
            mark = next(one for one in MARKS if one == errand.author)
            try:
                await self._desk.mark(MessageRef(post.address, stored.message.message_id), mark, errand.text)
            except MessageGone:
                log.debug("what was to be marked is gone")
        await self._errands.done(errand, at=self._now())

    @property
    def _file_limit(self) -> int:
        return self._schedulers[self._desk.name].platform.limits.files

    async def _fetched(self, messages: Sequence[StoredMessage]) -> tuple[list[File], list[Unfetched]]:
        files: list[File] = []
        left: list[Unfetched] = []
        to = self._schedulers[self._desk.name].platform
        for stored in messages:
            items = [item for item in stored.message.attachments if item.kind not in _WITHOUT_BYTES]
            left += [Unfetched(item, "none") for item in stored.message.attachments if item.kind in _WITHOUT_BYTES]
            from_ = self._schedulers.get(stored.message.address.platform)
            if items and from_ is not None:
                more, failed = await fetched(items, from_=from_.platform, to=to)
                files += more
                left += failed
        return files, left

    def _left(self, one: Unfetched) -> str:
        key = {"large": "desk_file_large", "lost": "desk_file_lost", "none": "desk_file_only_named"}[one.failure]
        kind = self._words.say(f"kind_{one.attachment.kind}")
        return self._words.say(key, kind=kind, name=one.attachment.name, limit=one.limit).replace(" :", ":")

    async def _regrets(self, errand: Errand, left: Sequence[Unfetched]) -> list[Errand]:
        """What the customer is told of files that staff do not get: once for each reason."""
        customer, policies = await self._errands.customer(errand.conversation_id), self._policies()
        language, found = customer.language or policies.language, dict[str, Errand]()
        for one in left:
            if one.failure == "large":
                words = policies.sentence("file_too_large", language, limit=one.limit)
            elif one.failure == "lost":
                words = policies.sentence("file_lost", language)
            else:
                continue
            found[words] = Errand("tell", text=words)
        return list(found.values())


def _has_words(errands: Sequence[Errand]) -> bool:
    return any(errand.kind in ("message", "edit") for errand in errands)


def _named(key: str, lost: int) -> str:
    return f"{key}~{lost}" if lost else key


def _part(key: str, number: int) -> str:
    return f"{key}/{number}" if number else key
