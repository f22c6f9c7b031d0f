"""Telegram's errors as what the caller does next: one table, tried from top to bottom."""

from datetime import timedelta

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from adapters.telegram.http import FloodWait, NotSent, NotTheBotApi, TooLarge
from bot.errors import (
    AccountRejected,
    MessageGone,
    MessageRefused,
    PlatformError,
    RateLimited,
    RecipientGone,
    Unavailable,
)

# Descriptions as the Bot API words them, in small letters: the library cuts "Bad Request: " off and
# changes capitals.
_GONE_MESSAGE = (
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "message identifier is not specified",
    "there is no text in the message to edit",
)
_GONE_READER = (
    "chat not found",
    "user not found",
    "peer_id_invalid",
    "user_is_blocked",
    "user is deactivated",
    "input_user_deactivated",
    "bot was kicked",
    "bot is not a member",
    "chat was deleted",
    "channel_private",
    "chat_write_forbidden",
    "not enough rights",
    "have no rights",
    "need administrator rights",
    "chat_restricted",
    "message thread not found",
    "topic_closed",
    "topic_deleted",
)

TOKEN_REJECTED = "Telegram rejects the token: copy it again from @BotFather into TELEGRAM_BOT_TOKEN."
SECOND_POLLER = "Another program polls this token: stop it, or give this one a token of its own in TELEGRAM_BOT_TOKEN."
WEBHOOK_SET = "A webhook was set for this token while it was polled: let only one program use TELEGRAM_BOT_TOKEN."
WEBHOOK_TAKEN = "Another program changed the webhook of this token: let only one program use TELEGRAM_BOT_TOKEN."
UNREACHED = "Telegram was not reached: {}; if it is blocked here, set TELEGRAM_API_URL or TELEGRAM_PROXY_URL."
WRONG_API = "What answers at TELEGRAM_API_URL is not the Bot API: correct the address or leave it out."


def is_unchanged(exc: TelegramError) -> bool:
    """Whether an edit failed only because the message shows this already."""
    return isinstance(exc, BadRequest) and "message is not modified" in exc.message.casefold()


def has_no_text(exc: TelegramError) -> bool:
    """Whether an edit failed because the message is a file, whose words are a caption."""
    return isinstance(exc, BadRequest) and "there is no text in the message to edit" in exc.message.casefold()


def is_deleted(exc: TelegramError) -> bool:
    """Whether a deletion failed only because the message is gone already."""
    return isinstance(exc, BadRequest) and "message to delete not found" in exc.message.casefold()


def is_unparsable(exc: TelegramError) -> bool:
    """Whether the formatting is at fault, so that the bare text may pass."""
    text = exc.message.casefold()
    return isinstance(exc, BadRequest) and ("can't parse" in text or "entit" in text)


def as_platform_error(exc: TelegramError) -> PlatformError:
    """The error to raise instead. `BadRequest` comes before `NetworkError`, of which it is a kind."""
    text = exc.message.casefold()
    match exc:
        case FloodWait():
            return RateLimited(exc.seconds)
        case RetryAfter():
            return RateLimited(seconds(exc.retry_after))
        case ChatMigrated():
            return MessageGone("The group became a supergroup; its earlier messages cannot be edited.")
        case Forbidden():
            return RecipientGone(f"Telegram: {exc.message}")
        case Conflict():
            return AccountRejected(WEBHOOK_SET if "webhook" in text else SECOND_POLLER)
        case InvalidToken():
            return AccountRejected(TOKEN_REJECTED)
        case BadRequest():
            return _bad_request(exc.message)
        case TooLarge():
            return MessageRefused(f"Telegram: {exc.message}")
        case NotTheBotApi():
            return Unavailable(WRONG_API)
        case NotSent():
            return Unavailable(UNREACHED.format(exc.message), maybe_applied=False)
        case TimedOut():
            return _unavailable(exc.message, maybe_applied="*not* sent" not in text)
        case _:
            return _unavailable(exc.message, maybe_applied=True)


def seconds(value: float | timedelta) -> float:
    """A duration in seconds, however the library hands it over (a `timedelta` in later versions)."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def _bad_request(message: str) -> PlatformError:
    text = message.casefold()
    if any(words in text for words in _GONE_MESSAGE):
        return MessageGone(f"Telegram: {message}")
    if any(words in text for words in _GONE_READER):
        return RecipientGone(f"Telegram: {message}")
    return MessageRefused(f"Telegram: {message}")


def _unavailable(message: str, *, maybe_applied: bool) -> Unavailable:
    return Unavailable(f"Telegram did not answer as it should: {message}.", maybe_applied=maybe_applied)
