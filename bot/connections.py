"""Tries every configured connection, for `shopdesk check` and `shopdesk init`."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

from adapters.discord.check import check_discord
from adapters.telegram.check import check_telegram
from adapters.web.check import check_web
from bot.checks import CheckResult
from bot.errors import PromptsError, ShopdeskError, StorageError, StorageInUse
from bot.model_check import check_models
from bot.model_commands import check_switch
from bot.policies.check import read_prompts
from bot.policies.standing import Standing
from bot.policies.version import version_of
from bot.policies.warnings import warnings_of
from bot.policy_commands.seen import standing_of, versions_in
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.lock import locked


async def check(settings: Settings) -> tuple[CheckResult, ...]:
    """Try everything that is configured, all at once; nothing is sent to a customer and nothing is changed."""
    own, models, *others = await asyncio.gather(
        _check_own(settings),
        check_models(settings),
        _check_telegram(settings),
        _check_discord(settings),
        _check_web(settings),
    )
    return (*own, *await check_switch(settings), *models, *others)


async def _check_own(settings: Settings) -> tuple[CheckResult, CheckResult]:
    storage = await _check_storage(settings)
    return storage, await _check_prompts(settings, is_readable=storage.state == "ok")


async def _check_storage(settings: Settings) -> CheckResult:
    path = settings.database
    try:
        with locked(path):
            database = await Database.open(path)
            await database.close()
    except StorageInUse:
        words = f"{path} is served by the program that runs"
        return CheckResult("storage", "ok", words, data={"path": str(path)})
    except ShopdeskError as exc:
        return CheckResult("storage", "failed", str(exc))
    return CheckResult("storage", "ok", f"{path} can be written", data={"path": str(path)})


async def _check_prompts(settings: Settings, *, is_readable: bool) -> CheckResult:
    try:
        prompts = await asyncio.to_thread(read_prompts, settings.shopdesk_prompts, language=settings.shopdesk_language)
    except PromptsError as exc:
        return CheckResult("prompts", "failed", str(exc), "Correct these lines; nothing goes live before.")
    counts = {"policies": len(prompts.policies), "sections": len(prompts.sections)}
    words = f"{counts['policies']} policies with {counts['sections']} sections"
    data: dict[str, str | int | float | bool | None] = {**counts, "version": version_of(prompts.files)}
    found = await _standing(settings) if is_readable else None
    if found and found.live and (difference := found.words()):
        return CheckResult("prompts", "warning", difference, "`shopdesk policies diff` shows it.", data)
    words = f"{words}, as they are live" if found and found.live else words
    warnings = await asyncio.to_thread(
        warnings_of,
        prompts,
        language=settings.shopdesk_language,
        wall=datetime.now(ZoneInfo(settings.shopdesk_timezone)).replace(tzinfo=None),
    )
    if warnings:
        words = f"{words}; {len(warnings)} to look at, the first: {warnings[0]}"
        fix = "`shopdesk policies check` lists what to look at."
        return CheckResult("prompts", "warning", words, fix, {**data, "warnings": len(warnings)})
    return CheckResult("prompts", "ok", words, data={**data, "warnings": 0})


async def _standing(settings: Settings) -> Standing | None:
    try:
        async with versions_in(settings) as versions:
            return await standing_of(settings, versions) if versions else None
    except StorageError:  # the row of the storage says it, or the program that runs is an older one
        return None


async def _check_telegram(settings: Settings) -> CheckResult:
    if settings.telegram_bot_token is None:
        return CheckResult("telegram", "off", "TELEGRAM_BOT_TOKEN is empty", "Get a token from @BotFather.")
    return await check_telegram(
        token=settings.telegram_bot_token.get_secret_value(),
        api_url=settings.telegram_api_url,
        proxy_url=settings.telegram_proxy_url.get_secret_value() if settings.telegram_proxy_url else None,
        webhook_url=settings.telegram_webhook_url,
    )


async def _check_discord(settings: Settings) -> CheckResult:
    if settings.discord_bot_token is None:
        return CheckResult("discord", "off", "DISCORD_BOT_TOKEN is empty", "Get a token at discord.com/developers.")
    return await check_discord(
        token=settings.discord_bot_token.get_secret_value(),
        api_url=settings.discord_api_url,
        gateway_url=settings.discord_gateway_url,
        staff_role_id=settings.discord_staff_role_id,
        tickets_channel_id=settings.discord_tickets_channel_id,
        alerts_channel_id=settings.discord_alerts_channel_id,
    )


async def _check_web(settings: Settings) -> CheckResult:
    if settings.web_address is None:
        return CheckResult("web", "off", "SHOPDESK_WEB is off")
    host, port = settings.web_address
    return await check_web(host=host, port=port)
