"""Builds the desk at which staff go on with a conversation, for a shop that has one."""

from collections.abc import Callable, Mapping

from bot.desk import StaffDesk
from bot.engine.engine import Engine
from bot.policies.live import Policies
from bot.relay.relay import Relay
from bot.relay.rules import DeskRules
from bot.scheduler import SendScheduler
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.messages import Messages


def has_desk(settings: Settings) -> bool:
    """Whether conversations are handed to staff in Discord."""
    return settings.discord_bot_token is not None and settings.discord_tickets_channel_id is not None


def relay_of(
    engine: Engine,
    desk: StaffDesk | None,
    settings: Settings,
    database: Database,
    messages: Messages,
    schedulers: Mapping[str, SendScheduler],
    policies: Callable[[], Policies],
) -> Relay | None:
    """What stands between the inbox and the engine when there is a desk."""
    if desk is None:
        return None
    rules = DeskRules(
        settings.shopdesk_staff_replies,
        settings.shopdesk_staff_name,
        settings.desk_quiet,
        settings.shopdesk_language,
    )
    return Relay(
        engine,
        desk=desk,
        database=database,
        messages=messages,
        schedulers=schedulers,
        policies=policies,
        rules=rules,
    )
