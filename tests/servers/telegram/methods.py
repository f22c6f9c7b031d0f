"""The methods of the Bot API, each a function of an account and the parameters of a call."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import regex

from tests.servers.telegram.state import Account, Chat, Draft, Hook, Shown
from tests.servers.telegram.texts import Refused, bad, checked
from tests.servers.telegram.uploads import (
    FOLDERS,
    answer_press,
    edit_caption,
    edit_markup,
    markup_of,
    send_media_group,
    send_one,
)

Params = Mapping[str, Any]
FLOODED = frozenset(
    {
        *("sendMessage", "editMessageText", "sendMessageDraft", "editMessageCaption", "editMessageReplyMarkup"),
        *("sendPhoto", "sendDocument", "sendAudio", "sendVideo", "sendVoice", "sendMediaGroup"),
    }
)
_ACTIONS = frozenset(
    [
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    ]
)
_DRAFT_PARAMS = frozenset({"chat_id", "message_thread_id", "draft_id", "text", "parse_mode", "entities"})
_DELETABLE = 48 * 3600
_LARGEST_FILE = 20 * 1024 * 1024


def get_me(account: Account, params: Params) -> Any:
    return {
        **account.me(),
        "can_join_groups": True,
        "can_read_all_group_messages": account.reads_all_group_messages,
        "supports_inline_queries": False,
    }


def set_webhook(account: Account, params: Params) -> Any:
    url = str(params.get("url", ""))
    if not url:
        return delete_webhook(account, params)
    loopback = url.startswith(("http://127.0.0.1", "http://localhost"))
    if not url.startswith("https://") and not loopback:
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    secret = params.get("secret_token")
    if secret is not None and not regex.fullmatch(r"[A-Za-z0-9_-]{1,256}", str(secret)):
        raise bad("secret token contains unallowed characters")
    _remember_allowed(account, params)
    if boolean(params, "drop_pending_updates"):
        account.waiting.clear()
    account.hook = Hook(url, None if secret is None else str(secret))
    account.ring()
    return True


def delete_webhook(account: Account, params: Params) -> Any:
    account.hook = None
    if boolean(params, "drop_pending_updates"):
        account.waiting.clear()
    account.ring()
    return True


def get_webhook_info(account: Account, params: Params) -> Any:
    return {
        "url": account.hook.url if account.hook else "",
        "has_custom_certificate": False,
        "pending_update_count": len(account.waiting),
    }


def send_message(account: Account, params: Params) -> Any:
    chat = account.chat(chat_id(params))
    text, entities = checked(params)
    thread_id = _thread(chat, params)
    reply_to = _reply(chat, params)
    preview = structure(params, "link_preview_options")
    message_id = chat.next_id()
    raw: dict[str, Any] = {
        "message_id": message_id,
        "from": account.me(),
        "chat": chat.as_dict(),
        "date": int(time.time()),
        "text": text,
        **({"entities": list(entities)} if entities else {}),
        **markup_of(params),
        **({"message_thread_id": thread_id, "is_topic_message": True} if thread_id else {}),
    }
    if reply_to is not None:
        raw["reply_to_message"] = {
            key: value for key, value in chat.messages[reply_to].raw.items() if key != "reply_to_message"
        }
    chat.messages[message_id] = Shown(
        chat.id, message_id, text, entities, True, thread_id, reply_to, preview, dict(params), raw=raw
    )
    chat.drafts = {key: draft for key, draft in chat.drafts.items() if draft.thread_id != thread_id}
    return raw


def edit_message_text(account: Account, params: Params) -> Any:
    chat = account.chat(chat_id(params))
    shown = chat.messages.get(integer(params, "message_id", "message identifier is not specified"))
    if shown is None:
        raise bad("message to edit not found")
    if not shown.by_bot:
        raise bad("message can't be edited")
    if "text" not in shown.raw:
        raise bad("there is no text in the message to edit")
    text, entities = checked(params)
    markup = markup_of(params)
    if (text, entities, markup.get("reply_markup")) == (shown.text, shown.entities, shown.raw.get("reply_markup")):
        raise bad(
            "message is not modified: specified new message content and reply markup are exactly the same as a "
            "current content and reply markup of the message"
        )
    shown.history.append((time.monotonic(), shown.text))
    shown.text, shown.entities, shown.params = text, entities, dict(params)
    shown.link_preview = structure(params, "link_preview_options")
    kept = {key: value for key, value in shown.raw.items() if key != "reply_markup"}
    shown.raw = {**kept, "text": text, "entities": list(entities), "edit_date": int(time.time()), **markup}
    return shown.raw


def delete_message(account: Account, params: Params) -> Any:
    """https://core.telegram.org/bots/api#deletemessage"""
    chat = account.chat(chat_id(params))
    shown = chat.messages.get(integer(params, "message_id", "message identifier is not specified"))
    if shown is None:
        raise bad("message to delete not found")
    if time.time() - shown.raw["date"] > _DELETABLE or (not shown.by_bot and chat.type != "private"):
        raise bad("message can't be deleted for everyone")
    del chat.messages[shown.message_id]
    return True


def send_message_draft(account: Account, params: Params) -> Any:
    """https://core.telegram.org/bots/api#sendmessagedraft; `can_stop` is of Bot API 10.3."""
    chat = account.chat(chat_id(params))
    unknown = set(params) - _DRAFT_PARAMS - ({"can_stop", "keep_on_stop"} if account.knows_can_stop else set())
    if unknown:
        raise bad(f"unexpected parameter {sorted(unknown)[0]}")
    if chat.type != "private":
        raise bad("TEXTDRAFT_PEER_INVALID")
    draft_id = integer(params, "draft_id", "RANDOM_ID_INVALID")
    if not -(2**31) <= draft_id < 2**31 or draft_id == 0:
        raise bad("RANDOM_ID_INVALID")
    thread_id = _thread(chat, params)
    text, entities = checked(params, may_be_empty=True)
    until = time.monotonic() + account.draft_seconds
    chat.drafts[draft_id] = Draft(draft_id, text, entities, until, boolean(params, "can_stop"), thread_id, dict(params))
    return True


def send_chat_action(account: Account, params: Params) -> Any:
    chat = account.chat(chat_id(params))
    if params.get("action") not in _ACTIONS:
        raise bad("wrong parameter action in request")
    _thread(chat, params)
    chat.typing.append(time.monotonic())
    return True


def set_my_commands(account: Account, params: Params) -> Any:
    commands = structure(params, "commands")
    if not isinstance(commands, list) or len(commands) > 100:
        raise bad("can't parse commands JSON object")
    for command in commands:
        if not regex.fullmatch(r"[a-z0-9_]{1,32}", str(command.get("command", ""))):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(str(command.get("description", ""))) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    account.commands[_commands_key(params)] = commands
    return True


def get_my_commands(account: Account, params: Params) -> Any:
    return account.commands.get(_commands_key(params), [])


def delete_my_commands(account: Account, params: Params) -> Any:
    account.commands.pop(_commands_key(params), None)
    return True


def get_file(account: Account, params: Params) -> Any:
    file_id = str(params.get("file_id", ""))
    if file_id not in account.files:
        raise bad("wrong file_id or the file is temporarily unavailable")
    path, content = account.files[file_id]
    if len(content) > _LARGEST_FILE:
        raise bad("file is too big")
    return {"file_id": file_id, "file_unique_id": f"u{file_id}", "file_size": len(content), "file_path": path}


def _place(chat: Chat, params: Params) -> tuple[int | None, int | None]:
    return _thread(chat, params), _reply(chat, params)


METHODS: dict[str, Callable[[Account, Params], Any]] = {
    **{f"send{kind.capitalize()}": send_one(kind, _place) for kind in FOLDERS},
    "sendMediaGroup": send_media_group(_place),
    "editMessageCaption": edit_caption,
    "editMessageReplyMarkup": edit_markup,
    "answerCallbackQuery": answer_press,
    "getMe": get_me,
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
    "sendMessage": send_message,
    "editMessageText": edit_message_text,
    "deleteMessage": delete_message,
    "sendMessageDraft": send_message_draft,
    "sendChatAction": send_chat_action,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "getFile": get_file,
}


async def get_updates(account: Account, params: Params, now: Callable[[], float] = time.monotonic) -> Any:
    """Waits up to `timeout` seconds. A second call ends the first with a conflict."""
    if account.hook is not None:
        raise Refused(
            409,
            "Conflict: can't use getUpdates method while webhook is active; "
            "use deleteWebhook to delete the webhook first",
        )
    _remember_allowed(account, params)
    account.confirm(integer(params, "offset", default=0))
    limit = min(max(integer(params, "limit", default=100), 1), 100)
    until = now() + max(integer(params, "timeout", default=0), 0)
    account.poller = this = object()
    account.ring()
    try:
        while not account.waiting and (left := until - now()) > 0:
            await _rung(account, left)
            if account.poller is not this:
                raise Refused(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )
            if account.hook is not None:
                raise Refused(409, "Conflict: terminated by setWebhook request")
    finally:
        if account.poller is this:
            account.poller = None
            account.changed()
    return account.waiting[:limit]


async def _rung(account: Account, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await account.wake.wait()
    except TimeoutError:
        pass


def chat_id(params: Params) -> int:
    value = params.get("chat_id", "")
    if value == "":
        raise bad("chat_id is empty")
    try:
        return int(value)
    except (TypeError, ValueError):
        raise bad("chat not found") from None


def integer(params: Params, name: str, missing: str = "", *, default: int | None = None) -> int:
    value = params.get(name)
    if value is None and default is not None:
        return default
    try:
        return int(str(value))
    except ValueError:
        raise bad(missing or f'field "{name}" must be a valid Number') from None


def boolean(params: Params, name: str) -> bool:
    return str(params.get(name, "")).casefold() in ("true", "1")


def structure(params: Params, name: str) -> Any:
    """A parameter that is JSON: in a form as a string, in a JSON body as itself."""
    value = params.get(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise bad(f"can't parse {name} JSON object") from None


def _remember_allowed(account: Account, params: Params) -> None:
    allowed = structure(params, "allowed_updates")
    if allowed is not None:
        account.allowed = frozenset(allowed) or None


def _thread(chat: Chat, params: Params) -> int | None:
    if params.get("message_thread_id") is None:
        return None
    thread_id = integer(params, "message_thread_id")
    if thread_id not in chat.topics:
        raise bad("message thread not found")
    return thread_id


def _reply(chat: Chat, params: Params) -> int | None:
    reply = structure(params, "reply_parameters")
    if reply is None:
        return None
    if not isinstance(reply, dict) or not isinstance(reply.get("message_id"), int):
        raise bad("can't parse reply parameters JSON object")
    if reply["message_id"] in chat.messages:
        return int(reply["message_id"])
    if not reply.get("allow_sending_without_reply"):
        raise bad("message to be replied not found")
    return None


def _commands_key(params: Params) -> tuple[str, str]:
    scope = structure(params, "scope") or {"type": "default"}
    language = str(params.get("language_code") or "")
    if language and not regex.fullmatch(r"[a-z]{2}", language):
        raise bad("invalid language code specified")
    return str(scope.get("type", "default")), language
