"""The people who write to the bot, in private chats and in groups."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.telegram.state import Account, Chat, Shown
from tests.servers.telegram.texts import Refused, detected, units

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"


class Customer:
    """One person in one chat. What it does reaches the bot as updates; each call returns a message id."""

    def __init__(self, account: Account, chat: Chat, user: Mapping[str, Any]) -> None:
        self.account = account
        self.chat = chat
        self.user = dict(user)

    @property
    def chat_id(self) -> int:
        return self.chat.id

    def write(
        self,
        text: str,
        *,
        reply_to: int | None = None,
        quote: str | None = None,
        entities: Sequence[Mapping[str, Any]] | None = None,
        thread_id: int | None = None,
        **fields: Any,
    ) -> int:
        """A text message. Without `entities` they are found as Telegram finds them."""
        found = list(detected(text) if entities is None else entities)
        content: dict[str, Any] = {"text": text, **({"entities": found} if found else {}), **fields}
        if quote is not None:
            content["quote"] = {"text": quote, "position": 0, "is_manual": True}
        return self._send(content, reply_to=reply_to, thread_id=thread_id)

    def edit(self, message_id: int, text: str) -> None:
        """Change the text of an earlier message of one's own."""
        shown = self.chat.messages[message_id]
        shown.history.append((time.monotonic(), shown.text))
        shown.text = text
        found = detected(text)
        shown.raw = {**shown.raw, "text": text, "edit_date": int(time.time()), "entities": found}
        self.account.push({"edited_message": shown.raw})

    def delete(self, message_id: int) -> None:
        """Delete a message, also one of the bot's. The bot is not told."""
        del self.chat.messages[message_id]
        self.account.changed()

    def photo(
        self,
        caption: str | None = None,
        *,
        media_group_id: str | None = None,
        content: bytes = JPEG,
        edges: Sequence[int] = (90, 320, 800, 1280),
        **fields: Any,
    ) -> int:
        sizes = [
            {**self.file("photos", ".jpg", content), "width": edge, "height": edge * 3 // 4} for edge in sorted(edges)
        ]
        found = detected(caption or "")
        content_ = {
            "photo": sizes,
            **({"caption": caption} if caption is not None else {}),
            **({"caption_entities": found} if found else {}),
            **({"media_group_id": media_group_id} if media_group_id else {}),
            **fields,
        }
        return self._send(content_)

    def album(self, count: int, caption: str | None = None) -> list[int]:
        group = f"album{self.chat.last_id}"
        return [self.photo(caption if number == 0 else None, media_group_id=group) for number in range(count)]

    def document(self, name: str, mime_type: str, content: bytes, caption: str | None = None) -> int:
        file = self.file("documents", "", content)
        document = {**file, "file_name": name, "mime_type": mime_type}
        return self._send({"document": document, **({"caption": caption} if caption else {})})

    def voice(self) -> int:
        file = self.file("voice", ".oga", b"OggS")
        return self._send({"voice": {**file, "duration": 3, "mime_type": "audio/ogg"}})

    def video(self) -> int:
        file = self.file("videos", ".mp4", b"ftyp")
        return self._send({"video": {**file, "width": 640, "height": 360, "duration": 3, "mime_type": "video/mp4"}})

    def sticker(self) -> int:
        file = self.file("stickers", ".webp", b"RIFF")
        kinds = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
        return self._send({"sticker": {**file, **kinds, "emoji": "👍"}})

    def location(self) -> int:
        return self._send({"location": {"latitude": 10.7769, "longitude": 106.7009}})

    def contact(self) -> int:
        return self._send({"contact": {"phone_number": "+84900000000", "first_name": "Lan"}})

    def poll(self) -> int:
        options = [{"text": "M", "voter_count": 0, "persistent_id": "1"}]
        kinds = {"is_closed": False, "is_anonymous": True, "type": "regular", "allows_multiple_answers": False}
        kinds |= {"allows_revoting": True, "members_only": False}
        return self._send(
            {"poll": {"id": "1", "question": "Size?", "options": options, "total_voter_count": 0, **kinds}}
        )

    def service(self, **fields: Any) -> int:
        """A message that nobody wrote: somebody joined, a message was pinned …"""
        return self._send(fields)

    def press(self, message_id: int, data: str) -> None:
        """Press an inline button under a message of the bot."""
        message = self.chat.messages[message_id].raw
        rows = message.get("reply_markup", {}).get("inline_keyboard", [])
        if all(button["callback_data"] != data for row in rows for button in row):
            raise LookupError(f"there is no button {data}")
        query_id = str(self.account.last_update_id)
        self.account.presses.add(query_id)
        query = {"id": query_id, "from": self.user, "chat_instance": "1", "data": data}
        self.account.push({"callback_query": {**query, "message": message}})

    def block(self) -> None:
        self.chat.refused = Refused(403, "Forbidden: bot was blocked by the user")
        self._membership("kicked")

    def unblock(self) -> None:
        self.chat.refused = None
        self._membership("member")

    def file(self, folder: str, ending: str, content: bytes) -> dict[str, Any]:
        """A file at the server, as messages mention it."""
        number = len(self.account.files) + 1
        file_id = f"file-{self.account.id}-{number}"
        self.account.files[file_id] = (f"{folder}/file_{number}{ending}", content)
        return {"file_id": file_id, "file_unique_id": f"unique-{number}", "file_size": len(content)}

    def _send(self, content: Mapping[str, Any], *, reply_to: int | None = None, thread_id: int | None = None) -> int:
        message_id = self.chat.next_id()
        topic = {"message_thread_id": thread_id, "is_topic_message": True} if thread_id else {}
        earlier = self.chat.messages.get(reply_to) if reply_to else None
        raw = {
            "message_id": message_id,
            "from": self.user,
            "chat": {**self._chat_dict()},
            "date": int(time.time()),
            **topic,
            **({"reply_to_message": earlier.raw} if earlier else {}),
            **content,
        }
        if thread_id:
            self.chat.topics.add(thread_id)
        text = str(content.get("text", content.get("caption", "")))
        assert units(text) <= 4096, "Telegram's apps split longer texts before they send them"
        self.chat.messages[message_id] = Shown(self.chat.id, message_id, text, thread_id=thread_id, raw=raw)
        self.account.push({"message": raw})
        return message_id

    def _chat_dict(self) -> dict[str, Any]:
        if self.chat.type == "private":
            names: dict[str, Any] = {
                key: self.user[key] for key in ("first_name", "last_name", "username") if key in self.user
            }
            return {**self.chat.as_dict(), **names}
        return self.chat.as_dict()

    def _membership(self, status: str) -> None:
        member = {"user": self.account.me(), "status": status, **({"until_date": 0} if status == "kicked" else {})}
        before = {"user": self.account.me(), "status": "member"}
        change = {"chat": self._chat_dict(), "from": self.user, "date": int(time.time())}
        self.account.push({"my_chat_member": {**change, "old_chat_member": before, "new_chat_member": member}})


class Group:
    """A group with the bot in it."""

    def __init__(self, account: Account, chat: Chat) -> None:
        self.account = account
        self.chat = chat

    @property
    def chat_id(self) -> int:
        return self.chat.id

    def member(self, user_id: int, name: str = "Lan", **fields: Any) -> Customer:
        user = {"id": user_id, "is_bot": False, "first_name": name, "language_code": "vi", **fields}
        return Customer(self.account, self.chat, user)

    def kick_bot(self) -> None:
        self.chat.refused = Refused(403, "Forbidden: bot was kicked from the group chat")
        self.account.changed()

    def migrate(self) -> "Group":
        """The group becomes a supergroup with another id; the old one only points to it."""
        new = Chat(-1000000000000 + self.chat.id, "supergroup", self.chat.title)
        self.account.chats[new.id] = new
        by = self.member(1, "Admin")
        by.service(migrate_to_chat_id=new.id)
        self.chat.refused = Refused(
            400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=new.id
        )
        Customer(self.account, new, by.user).service(migrate_from_chat_id=self.chat.id)
        return Group(self.account, new)
