"""The door to Telegram: one bot account, polled or served by a webhook."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial

from starlette.routing import Route
from telegram import BotCommand
from telegram.constants import ChatAction
from telegram.error import BadRequest, ChatMigrated, TelegramError

from adapters.telegram.api import POLL_SECONDS, STOP_PRESSED, WANTED, Api, is_number
from adapters.telegram.drafts import Drafts, draft_id_of, draft_in, draft_ref
from adapters.telegram.entities import is_link
from adapters.telegram.errors import (
    WEBHOOK_TAKEN,
    as_platform_error,
    has_no_text,
    is_deleted,
    is_unchanged,
    is_unparsable,
)
from adapters.telegram.http import AiohttpRequest, FloodWait, proxy_fault
from adapters.telegram.inbound import Me
from adapters.telegram.intake import Intake, Sleep, update_id
from adapters.telegram.markdown import Formatted, formatted
from adapters.telegram.presses import Presses, keyboard
from adapters.telegram.rival import Rival
from adapters.telegram.uploads import LARGEST_FILE, LONGEST_CAPTION, MOST_FILES, Uploads
from adapters.telegram.webhook import Webhook, webhook_route
from bot.chat import Address, Attachment, File, MessageLimits, MessageRef, OutboundMessage, Ready, Receive
from bot.errors import AccountRejected, MessageRefused, PlatformError, Unavailable
from bot.text import is_blank

log = logging.getLogger(__name__)

LARGEST_DOWNLOAD = 20_000_000
"""Bytes that the Bot API hands out at most: https://core.telegram.org/bots/api#getfile"""

# A long poll is cut now and then by anything between us and Telegram; only a series of cuts is news.
_CUTS_BEFORE_NEWS = 3
_WATCH_SECONDS = 60.0


class TelegramPlatform:
    """One bot. `commands`: language code (`""`: everybody else's) → command → description. `may_link`:
    which addresses may become links; the words of the others stay. `drafts`: in private chats an answer grows
    as a draft, where the server has them, and is sent as a message when it is complete. `person_button`: what
    stands on the button that asks for a person; without it there is none.

    It may be used (`send`, `edit` …) whether `run` is running or not; `close` ends its connections.
    """

    def __init__(
        self,
        *,
        token: str,
        api_url: str = "https://api.telegram.org",
        proxy_url: str | None = None,
        commands: Mapping[str, Mapping[str, str]] | None = None,
        calls_per_second: float = 30.0,
        webhook: Webhook | None = None,
        may_link: Callable[[str], bool] = is_link,
        drafts: bool = False,
        person_button: Callable[[], str] | None = None,
        name: str = "telegram",
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        _silence_loggers()
        self._proxy_fault = proxy_fault(proxy_url)
        self._name = name
        self._limits = limits(calls_per_second)
        self._commands = dict(commands or {})
        self._shown_commands: Mapping[str, Mapping[str, str]] = {}
        self._new_commands = asyncio.Event()
        self._webhook = (
            None if webhook is None else replace(webhook, secret=webhook.secret or secrets.token_urlsafe(32))
        )
        self._sleep = sleep
        self._api_url = api_url.rstrip("/")
        self._request = AiohttpRequest(proxy_url=proxy_url)
        self._poll_request = AiohttpRequest(proxy_url=proxy_url, connections=2, read_timeout=POLL_SECONDS + 10.0)
        self._bot = Api(
            token,
            base_url=f"{self._api_url}/bot",
            base_file_url=f"{self._api_url}/file/bot",
            request=self._request,
            get_updates_request=self._poll_request,
        )
        self._person_button = person_button
        self._presses = Presses(self._bot)
        self._uploads = Uploads(self._bot, sleep=sleep)
        self._drafts = Drafts(self._bot, wanted=drafts)
        self._kinds = (*WANTED, STOP_PRESSED) if drafts else WANTED
        self._intake: Intake | None = None
        self._offset: int | None = None
        self._moved: dict[str, str] = {}
        # `measure` and the call behind it look at the same text: it is converted once.
        self._formatted = lru_cache(maxsize=128)(partial(formatted, may_link=may_link))

    @property
    def name(self) -> str:
        return self._name

    @property
    def limits(self) -> MessageLimits:
        return self._limits

    async def run(self, receive: Receive, ready: Ready) -> None:
        """See `ChatPlatform.run`. Nothing that waits at Telegram is dropped, whichever way it is fetched."""
        if self._proxy_fault:
            raise AccountRejected(f"TELEGRAM_PROXY_URL cannot be used: {self._proxy_fault}.")
        me = await self._connected()
        self._intake = Intake(
            me=me, platform=self._name, receive=receive, sleep=self._sleep, stored=self._presses.taken
        )
        registering = asyncio.create_task(self._keep_commands())
        try:
            ready(f"as @{me.username}")
            if self._webhook is None:
                await self._poll(self._intake)
            else:
                await self._watch(self._webhook.url)
        finally:
            self._intake = None
            registering.cancel()
            await asyncio.gather(registering, return_exceptions=True)

    def webhook_route(self) -> Route | None:
        """What the web server must serve for the webhook; None when updates are polled."""
        return None if self._webhook is None else webhook_route(self._webhook, lambda: self._intake)

    def show_commands(self, commands: Mapping[str, Mapping[str, str]]) -> None:
        """Take other words for the menu of commands; Telegram is told at once, or when the door opens."""
        self._commands = dict(commands)
        self._new_commands.set()

    async def close(self) -> None:
        """End all connections. The object opens new ones if it is used again."""
        await self._presses.close()
        await self._request.shutdown()
        await self._poll_request.shutdown()

    def measure(self, text: str) -> int:
        return self._formatted(text).units

    def is_group(self, at: Address) -> bool:
        return at.chat_id.startswith("-")

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        """See `ChatPlatform.send`. Telegram knows no keys: after `Unavailable(maybe_applied=True)` it may be there."""
        if message.growing and self._drafts.usable(to):
            return await self._grow(to, message, draft_id_of(key))
        return await self._send(to, message)

    async def _send(self, to: Address, message: OutboundMessage) -> MessageRef:
        body, chat_id = self._body(message.text, message.files), self._moved.get(to.chat_id, to.chat_id)
        for _ in range(3):
            try:
                sent = await self._show(chat_id, to.thread_id, body, message)
            except ChatMigrated as exc:
                chat_id = self._moved[to.chat_id] = str(exc.new_chat_id)
            except TelegramError as exc:
                body = self._plainer(body, exc)
            else:
                return MessageRef(replace(to, chat_id=chat_id), sent)
        raise MessageRefused("Telegram refuses the text with its formatting and without it.")

    async def _show(self, chat_id: str, thread_id: str | None, body: Formatted, message: OutboundMessage) -> str:
        if message.files:
            return await self._uploads.send(
                chat_id, body, message.files, thread_id=thread_id, reply_to=message.reply_to
            )
        button = self._keyboard(message)
        return await self._bot.show(chat_id, body, thread_id=thread_id, reply_to=message.reply_to, keyboard=button)

    def _keyboard(self, message: OutboundMessage) -> str | None:
        return keyboard(self._person_button()) if message.offers_person and self._person_button else None

    async def _grow(self, to: Address, message: OutboundMessage, draft_id: int) -> MessageRef:
        """Show a draft; where the server refuses, the message itself, which is then edited."""
        body = self._body(message.text)
        for _ in range(2):
            try:
                if await self._drafts.show(to, draft_id, body):
                    return draft_ref(to, draft_id)
                break
            except BadRequest as exc:
                body = self._plainer(body, exc)
        sent = await self._send(to, message)
        self._drafts.give_up(to)
        return sent

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        """See `ChatPlatform.edit`. A draft that is complete, or may be none any more, is sent as a message."""
        draft_id = draft_in(ref)
        if draft_id is not None:
            if message.growing and self._drafts.usable(ref.address):
                return await self._grow(ref.address, message, draft_id)
            return await self._send(ref.address, message)
        body = self._body(message.text)
        for _ in range(2):
            try:
                await self._replace(ref, body, message)
            except TelegramError as exc:
                if is_unchanged(exc):
                    return ref
                body = self._plainer(body, exc)
            else:
                return ref
        raise MessageRefused("Telegram refuses the text with its formatting and without it.")

    async def _replace(self, ref: MessageRef, body: Formatted, message: OutboundMessage) -> None:
        chat_id = ref.address.chat_id
        try:
            await self._bot.replace(chat_id, ref.message_id, body, keyboard=self._keyboard(message))
        except TelegramError as exc:
            if not has_no_text(exc) or body.units > LONGEST_CAPTION:
                raise
            await self._bot.replace_caption(chat_id, ref.message_id, body)

    async def delete(self, ref: MessageRef) -> None:
        """See `ChatPlatform.delete`. Telegram takes nothing away that is older than 48 hours:
        https://core.telegram.org/bots/api#deletemessage"""
        if draft_in(ref) is not None:
            return  # it vanishes by itself
        try:
            await self._bot.remove(ref.address.chat_id, ref.message_id)
        except TelegramError as exc:
            if not is_deleted(exc):
                raise as_platform_error(exc) from exc

    async def show_typing(self, at: Address) -> None:
        chat_id = self._moved.get(at.chat_id, at.chat_id)
        thread = int(at.thread_id) if is_number(at.thread_id) else None
        try:
            await self._bot.send_chat_action(chat_id, ChatAction.TYPING, message_thread_id=thread)
        except ChatMigrated as exc:
            self._moved[at.chat_id] = str(exc.new_chat_id)
        except TelegramError as exc:
            raise as_platform_error(exc) from exc

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        """The bytes of a file. Raises `MessageRefused` for one that is gone or larger than Telegram hands out."""
        limit = min(limit, LARGEST_DOWNLOAD)
        if not attachment.source_id or (attachment.size or 0) > limit:
            raise MessageRefused("There is no such file, or it is too large.")
        try:
            file = await self._bot.get_file(attachment.source_id)
            # A Bot API server in its local mode names a path on its own disk, which is none of ours.
            if not (file.file_path or "").startswith(f"{self._api_url}/"):
                raise MessageRefused("The Bot API server in TELEGRAM_API_URL hands out no files: end its local mode.")
            return await self._request.fetch(str(file.file_path), limit=limit)
        except TelegramError as exc:
            raise as_platform_error(exc) from exc

    async def _connected(self) -> Me:
        while True:
            try:
                me = await self._bot.who()
                await self._choose_delivery()
                return me
            except FloodWait as exc:
                await self._sleep(exc.seconds)
            except TelegramError as exc:
                raise _cannot_run(exc) from exc

    async def _choose_delivery(self) -> None:
        if self._webhook is None:
            await self._bot.delete_webhook(drop_pending_updates=False)
        else:
            await self._bot.set_webhook(
                self._webhook.url,
                secret_token=self._webhook.secret,
                allowed_updates=self._kinds,
                drop_pending_updates=False,
            )

    async def _poll(self, intake: Intake) -> None:
        cuts, rival = 0, Rival()
        while True:
            try:
                batch = await self._bot.updates(self._offset, kinds=self._kinds)
            except FloodWait as exc:
                await self._sleep(exc.seconds)
                continue
            except TelegramError as exc:
                if rival.can_be_ignored(exc):
                    log.warning("another program polls this token, too: stop it, or give it a token of its own")
                    continue
                error, cuts = _cannot_run(exc), cuts + 1
                if not isinstance(error, Unavailable) or cuts > _CUTS_BEFORE_NEWS:
                    raise error from exc
                await self._sleep(0.25 * 2**cuts)
                continue
            cuts = 0
            rival.polled()
            await intake.take_all(batch)
            numbers = [number for raw in batch if (number := update_id(raw)) is not None]
            if numbers:
                self._offset = max(numbers) + 1
            elif batch:
                await self._sleep(1.0)
            else:
                # All is confirmed. After a week of silence Telegram may count from a smaller number.
                self._offset = None

    async def _watch(self, url: str) -> None:
        """Updates are posted to us; what can go wrong with that is only seen by asking."""
        while True:
            await self._sleep(_WATCH_SECONDS)
            try:
                info = await self._bot.ask("getWebhookInfo")
            except TelegramError as exc:
                log.warning("the webhook cannot be looked after: %s", as_platform_error(exc))
                continue
            if info.get("url") != url:
                raise AccountRejected(WEBHOOK_TAKEN)
            if (reason := info.get("last_error_message")) and info.get("pending_update_count"):
                log.warning("Telegram cannot deliver to TELEGRAM_WEBHOOK_URL: %s", reason)

    async def _keep_commands(self) -> None:
        """Register the menu, and again whenever its words change; what failed is tried when the door opens again."""
        while True:
            self._new_commands.clear()
            if self._commands != self._shown_commands:
                await self._register_commands(self._commands)
            await self._new_commands.wait()

    async def _register_commands(self, commands: Mapping[str, Mapping[str, str]]) -> None:
        everybody = commands.get("") or next(iter(commands.values()))
        try:
            for language, words in {**commands, "": everybody}.items():
                listed = [BotCommand(word, text) for word, text in words.items()]
                await self._bot.set_my_commands(listed, language_code=language or None)
            self._shown_commands = commands
        except TelegramError as exc:
            log.warning("the menu of commands is not registered: %s", as_platform_error(exc))

    def _body(self, text: str, files: Sequence[File] = ()) -> Formatted:
        body = self._formatted(text)
        if is_blank(body.text) and not files:
            raise MessageRefused("There is nothing to show in this text.")
        return body

    def _plainer(self, body: Formatted, exc: TelegramError) -> Formatted:
        if not (body.spans and is_unparsable(exc)):
            raise as_platform_error(exc) from exc
        log.warning("Telegram refuses the formatting of a message, it is sent without: %s", exc.message)
        return Formatted(body.text)


def limits(calls_per_second: float) -> MessageLimits:
    """Telegram's limits: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this

    Telegram counts when a call arrives, we when it leaves, and calls overtake each other on the way by some
    hundredths of a second. So each budget is a little smaller than what is allowed: a chat has 1 call a
    second (53 ms to spare), a group 20 in any minute (a burst of 3 and 17 more), the bot `calls_per_second`.
    """
    return MessageLimits(
        max_units=4096,
        min_interval=1.2,
        chat_calls_per_second=0.95,
        chat_burst=3,
        group_calls_per_minute=17.0,
        calls_per_second=0.97 * calls_per_second,
        calls_burst=max(1, int(0.94 * calls_per_second)),
        calls_in_flight=32,
        typing_interval=4.5,
        files=MOST_FILES,
        file_bytes=LARGEST_FILE,
        redelivers=True,
        doubles=True,
    )


def _cannot_run(exc: TelegramError) -> PlatformError:
    error = as_platform_error(exc)
    if isinstance(error, AccountRejected | Unavailable):
        return error
    return AccountRejected(f"Telegram refuses to deliver: {exc.message}; check the TELEGRAM_ settings.")


def _silence_loggers() -> None:
    # At their lower levels these log addresses, and the token is a part of every address.
    for name in ("telegram", "aiohttp.client", "aiohttp.access", "httpx", "httpcore", "python_socks"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
