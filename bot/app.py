"""The composition root: builds everything from the settings, and is the only importer of `adapters/`."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from adapters.console import ConsolePlatform
from adapters.discord.platform import DiscordPlatform
from adapters.telegram.platform import TelegramPlatform
from adapters.telegram.webhook import Webhook
from adapters.web.platform import WebPlatform
from bot.canary_commands import commands_of as canary_commands_of
from bot.canary_life import CanaryLife, canary_of
from bot.chat import Bookmarks, ChatPlatform, Shelf
from bot.control import Control
from bot.desk import StaffDesk
from bot.doors import Announce, Door, keep_open, line
from bot.engine.engine import Engine
from bot.engine.limits import EngineLimits, Lateness
from bot.errors import SettingsError
from bot.failpoints import FailingDatabase, FailingModel, FailingPlatform, Failpoint, failpoint_of
from bot.figures import PAGES, CountedTurns, follow_serving, metrics_routes
from bot.guard import Guard, guard_of
from bot.inbox import Inbox
from bot.llm.base import ChatModel
from bot.llm.metered import MeteredModel
from bot.menus import customer_commands, described, staff_commands
from bot.metrics import Metrics
from bot.model_commands import commands_of as model_commands_of
from bot.models import config_of
from bot.outbox import RecordedPlatform
from bot.policies.life import LivePolicies
from bot.policies.live import Policies
from bot.policies.version import short
from bot.policies.watch import FolderWatch
from bot.policy_commands.change import commands_of, policies_of
from bot.process import on_signals, raise_file_limit, settle_memory
from bot.reply.whole import whole
from bot.scheduler import SendScheduler
from bot.settings import Settings
from bot.staff_desk import Alerts, has_desk, relay_of
from bot.storage.bookmarks import StoredBookmarks
from bot.storage.cases import Cases
from bot.storage.daily import DailyBackup
from bot.storage.database import Database
from bot.storage.lock import locked
from bot.storage.messages import Messages
from bot.storage.outbox import Outbox
from bot.storage.policies import PolicyVersions
from bot.storage.shelf import StoredShelf
from bot.storage.turns import Turns
from bot.storage.wal import was_left_open

log = logging.getLogger(__name__)

_BEHIND = 30.0
GRACE = 8.0
"""Seconds that running answers have to end when the program is told to."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What every door shares: one shop's storage, policies and model."""

    settings: Settings
    timezone: ZoneInfo
    messages: Messages
    database: Database
    turns: Turns
    outbox: Outbox
    bookmarks: Callable[[str], Bookmarks]
    """Those of the platform with this name."""
    shelf: Callable[[str], Shelf]
    """Where the door of this name keeps files that it hands out itself."""
    policies: LivePolicies
    model: ChatModel
    was_killed: bool
    """The program that served this shop before."""
    silence: float
    """So long, in seconds, the model may bring nothing at all."""
    guard: Guard
    canary: CanaryLife
    metrics: Metrics
    failpoint: Failpoint | None = None


async def run(
    settings: Settings, *, announce: Announce, stop: asyncio.Event | None = None, grace: float = GRACE
) -> None:
    """Serve every configured platform until `stop` is set, or until SIGINT or SIGTERM when there is none.

    `announce` is given the lines that tell the operator what is on, what is off and why. Raises a
    `ShopdeskError` with one sentence when it cannot start, or when every platform refuses the account.
    """
    stop = stop or on_signals()
    raise_file_limit()
    async with opened(settings) as shop:
        doors: dict[str, Door] = {}
        platforms = platforms_of(shop, lambda: {name: door.state for name, door in doors.items()})
        desk = next((one.desk for one in platforms if isinstance(one, DiscordPlatform)), None)
        for platform in platforms:
            if shop.failpoint:
                platform = FailingPlatform(platform, shop.failpoint.reached)
            recorded = RecordedPlatform(platform, shop.outbox)
            doors[platform.name] = Door(recorded, SendScheduler(recorded, in_doubt=shop.was_killed))
        if not doors:
            raise SettingsError(
                "Every door is off: set TELEGRAM_BOT_TOKEN, DISCORD_BOT_TOKEN or SHOPDESK_WEB in .env, for example "
                "SHOPDESK_WEB=127.0.0.1:8080."
            )
        for told in what_is_off(shop):
            announce(told)
        if words := (await shop.policies.standing()).words():
            announce(line("policies", "note", words))
        if warnings := await shop.policies.warnings():
            announce(line("policies", "note", _warning_words(len(warnings))))
        settle_memory()
        backups = DailyBackup(settings.database, keep=settings.shopdesk_backup_keep)
        await serve(shop, doors, stop, announce, desk=desk, beside=[backups.run, *beside_of(shop)], grace=grace)


async def chat(settings: Settings) -> None:
    """A conversation in the terminal, until its end of input."""
    async with opened(settings) as shop:
        platform = ConsolePlatform(sys.stdin, sys.stdout)
        doors = {platform.name: Door(platform, SendScheduler(platform))}
        await serve(shop, doors, asyncio.Event(), lambda line: None, beside=beside_of(shop))


def beside_of(shop: Shop) -> list[Callable[[], Coroutine[None, None, None]]]:
    """What keeps the policies up to date while the shop is open: the folder, and the commands of other terminals."""
    policies, settings = shop.policies, shop.settings
    watch = FolderWatch(policies.folder, policies.consider)
    asked = (commands_of(policies), model_commands_of(shop.guard.switch), canary_commands_of(shop.canary))
    control = Control(settings.shopdesk_data, {name: do for commands in asked for name, do in commands.items()})
    return [watch.run, control.run, shop.canary.run]


async def serve(
    shop: Shop,
    doors: Mapping[str, Door],
    stop: asyncio.Event,
    announce: Announce,
    *,
    desk: StaffDesk | None = None,
    beside: Sequence[Callable[[], Coroutine[None, None, None]]] = (),
    grace: float = 0.0,
) -> None:
    """Run engine, schedulers and doors until `stop` is set, a door ends by itself or all are rejected.

    After `stop` no turn is begun, and those that run have `grace` seconds; what is not answered by then is
    at the next start. What is to run `beside` them may end; it is cancelled with the rest.
    """
    schedulers = {name: door.scheduler for name, door in doors.items()}
    engine = Engine(
        model=shop.model,
        policies=shop.policies.current,
        sides=shop.canary.side,
        messages=shop.messages,
        turns=shop.turns,
        schedulers=schedulers,
        timezone=shop.timezone,
        limits=EngineLimits(
            section_tokens=shop.settings.shopdesk_section_tokens,
            lateness=Lateness(shop.settings.stale_after, shop.settings.shopdesk_stale),
            # The models have watches of their own: this one is for whoever has none.
            silence=shop.silence,
        ),
        growing_mark=shop.settings.shopdesk_growing_mark,
        prices=shop.guard.prices,
        budget=shop.guard.budget,
        cases=Cases(shop.database) if desk else None,
    )
    relay = relay_of(engine, desk, shop.settings, shop.database, shop.messages, schedulers, shop.policies.current)
    inbox = Inbox(
        shop.messages,
        relay or engine,
        platforms=doors.keys(),
        burst_wait=shop.settings.shopdesk_burst_wait,
        at_once=desk.is_post if desk else lambda at: False,
    )
    if relay is not None and desk is not None:
        relay.open(inbox.receive)
        alerts = Alerts(desk)
        shop.policies.report_to(alerts.tell)
        beside = [relay.run, alerts.run, *beside]
    beside = [*beside, follow_serving(shop.metrics, doors, inbox)]
    create = asyncio.create_task
    listening = [create(keep_open(door, doors, inbox.receive, announce)) for door in doors.values()]
    working = [create(inbox.run()), *(create(door.scheduler.run()) for door in doors.values())]
    others = [create(work()) for work in beside]
    stopping = create(stop.wait())
    try:
        ended, _ = await asyncio.wait([stopping, *listening, *working], return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
        if left := await inbox.drain(grace):
            log.info("%s conversations are answered at the next start", left)
    finally:
        for tasks in ([stopping, *listening, *others], working):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for door in doors.values():
            await door.platform.close()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Shop]:
    """Storage, policies and model, closed again at the end. Raises a `ShopdeskError` if one is unusable, or
    if another program serves this database."""
    failpoint = failpoint_of(settings.failpoint) if settings.failpoint else None
    with locked(settings.database):
        async with _opened(settings, failpoint) as shop:
            yield shop


@asynccontextmanager
async def _opened(settings: Settings, failpoint: Failpoint | None) -> AsyncIterator[Shop]:
    was_killed = was_left_open(settings.database)
    database = await Database.open(settings.database)
    if failpoint:
        database = FailingDatabase(database, failpoint.reached)
    metrics = Metrics()
    try:
        policies = policies_of(settings, PolicyVersions(database))
        await policies.open()
        canary, models = canary_of(settings, policies, database, policies.sentence, metrics=metrics)
        await canary.load()
        guard = await guard_of(settings, models, policies.sentence, database)
        model: ChatModel = MeteredModel(guard.model, metrics)
        model = FailingModel(model, failpoint.reached) if failpoint else model
        try:
            yield Shop(
                settings=settings,
                timezone=ZoneInfo(settings.shopdesk_timezone),
                messages=Messages(database),
                database=database,
                turns=CountedTurns(database, metrics, has_desk=has_desk(settings)),
                outbox=Outbox(database),
                bookmarks=partial(StoredBookmarks, database),
                shelf=partial(StoredShelf, database),
                policies=policies,
                model=model,
                was_killed=was_killed,
                silence=config_of(settings).model.turn + _BEHIND,
                guard=guard,
                canary=canary,
                metrics=metrics,
                failpoint=failpoint,
            )
        finally:
            await model.close()
    finally:
        await database.close()


Readiness = Callable[[], Mapping[str, str]]


def platforms_of(shop: Shop, readiness: Readiness) -> list[ChatPlatform]:
    """Every platform that the settings name. Raises `SettingsError` when two of them do not go together."""
    settings, platforms = shop.settings, list[ChatPlatform]()
    telegram = telegram_of(shop)
    if telegram:
        platforms.append(telegram)
    if settings.discord_bot_token:
        platforms.append(
            discord := DiscordPlatform(
                token=settings.discord_bot_token.get_secret_value(),
                staff_role_id=settings.discord_staff_role_id,
                api_url=settings.discord_api_url,
                gateway_url=settings.discord_gateway_url,
                descriptions=described(shop.policies.current(), staff_commands()),
                may_link=shop.policies.may_link,
                sentence=shop.policies.sentence,
                bookmarks=shop.bookmarks("discord"),
                tickets_channel_id=settings.discord_tickets_channel_id,
                alerts_channel_id=settings.discord_alerts_channel_id,
                desk_journal=shop.bookmarks("discord-desk"),
            )
        )
        shop.policies.follow(lambda live: discord.show_commands(described(live, staff_commands())))
    webhook = telegram.webhook_route() if telegram else None
    if address := settings.web_address:
        host, port = address
        routes = [webhook] if webhook else []
        platforms.append(
            web := WebPlatform(
                host=host,
                port=port,
                transcript=partial(shop.turns.transcript, shown=whole),
                greeting=lambda language: shop.policies.sentence("greeting", language),
                readiness=readiness,
                extra_routes=[*routes, *metrics_routes(shop.metrics, settings.shopdesk_metrics_token)],
                shop_name=lambda: shop.policies.sentence("shop_name"),
                link_hosts=shop.policies.linked_hosts,
                shelf=shop.shelf("web"),
            )
        )
        shop.metrics.follow(PAGES, lambda: [((), web.open_pages)])
    elif webhook:
        raise SettingsError(
            "TELEGRAM_WEBHOOK_URL is set, but SHOPDESK_WEB is off: the webhook needs the web server. "
            "Set SHOPDESK_WEB to HOST:PORT, or leave TELEGRAM_WEBHOOK_URL empty."
        )
    return platforms


def telegram_of(shop: Shop) -> TelegramPlatform | None:
    """The Telegram bot, if there is a token."""
    settings = shop.settings
    if settings.telegram_bot_token is None:
        return None
    url = settings.telegram_webhook_url
    telegram = TelegramPlatform(
        token=settings.telegram_bot_token.get_secret_value(),
        api_url=settings.telegram_api_url,
        proxy_url=_secret(settings.telegram_proxy_url),
        commands=described(shop.policies.current(), customer_commands(settings)),
        calls_per_second=settings.telegram_calls_per_second,
        drafts=settings.telegram_stream == "draft",
        may_link=shop.policies.may_link,
        person_button=lambda: shop.policies.sentence("person_button"),
        webhook=Webhook(url, _secret(settings.telegram_webhook_secret)) if url else None,
    )
    shop.policies.follow(lambda live: telegram.show_commands(described(live, customer_commands(settings))))
    return telegram


def what_is_off(shop: Shop) -> list[str]:
    """A line for each part that is off, with the setting that turns it on, and one for the model."""
    settings = shop.settings
    lines = [line("model", "on" if shop.model.name != "offline" else "off", shop.guard.words())]
    lines += [line("budgets", "note", words) for words in shop.guard.notes()]
    lines.append(line("policies", "on", _policy_words(shop.policies.current())))
    if settings.telegram_bot_token is None:
        lines.append(line("telegram", "off", "TELEGRAM_BOT_TOKEN is empty"))
    if settings.discord_bot_token is None:
        lines.append(line("discord", "off", "DISCORD_BOT_TOKEN is empty"))
    elif settings.discord_staff_role_id is None:
        lines.append(line("discord", "note", "DISCORD_STAFF_ROLE_ID is empty: only administrators are answered"))
    if settings.shopdesk_stale == "person":
        lines.append(line("stale", "note", "SHOPDESK_STALE is person: `shopdesk stats` counts who waits for one"))
    if settings.web_address is None:
        lines.append(line("web", "off", "SHOPDESK_WEB is off"))
    return lines


def _policy_words(policies: Policies) -> str:
    return f"version {short(policies.version)}: {len(policies.prompts.policies)} policies"


def _warning_words(count: int) -> str:
    return f"{count} warning{'' if count == 1 else 's'}: `shopdesk policies check` lists what to look at"


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
