"""What people on the loopback Discord do with commands, buttons, menus and forms, as the bot is told of it."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.discord.components import ROW, STRING_SELECT, TEXT_INPUT, require_interactive
from tests.servers.discord.messages import Message
from tests.servers.discord.state import COMMAND, COMPLETION, COMPONENT, MODAL, Interaction, State
from tests.servers.discord.world import Channel, Guild, Payload, Role, User

SUB_COMMAND, SUB_GROUP, TEXT, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(1, 12)


class Clicks:
    """Raises `LookupError` or `ValueError` for what the client of a person would not let him do."""

    def __init__(self, state: State, *, application_id: int) -> None:
        self._state = state
        self._application_id = application_id

    def command(
        self, channel: Channel, user: User, name: str, options: Mapping[str, Any], locale: str, focused: str | None
    ) -> Interaction:
        """Use a command (its words parted by blanks), or complete its option `focused`."""
        first, *path = name.split()
        command = self._registered(first, channel)
        resolved: dict[str, Payload] = {}
        data: Payload = {"id": command["id"], "name": first, "type": 1}
        level, known = data, command.get("options", [])
        for word in path:
            inner = next(
                (one for one in known if one["name"] == word and one["type"] in (SUB_COMMAND, SUB_GROUP)), None
            )
            if inner is None:
                raise LookupError(f"/{name} is not registered")
            level["options"] = [{"name": word, "type": inner["type"]}]
            level, known = level["options"][0], inner.get("options", [])
        given = [self._option(known, key, value, focused, channel.guild, resolved) for key, value in options.items()]
        missing = [one["name"] for one in known if one.get("required") and one["name"] not in options]
        if missing and focused is None:
            raise LookupError(f"/{name} needs {', '.join(missing)}")
        if given:
            level["options"] = given
        if resolved:
            data["resolved"] = resolved
        return self._tell(COMMAND if focused is None else COMPLETION, channel, user, data, locale=locale)

    def _registered(self, name: str, channel: Channel) -> Payload:
        here = self._state.commands.get(channel.guild.id, []) if channel.guild else []
        for one in [*here, *self._state.commands.get(None, [])]:
            if one["name"] == name:
                return one
        raise LookupError(f"/{name} is not registered")

    def _option(
        self,
        known: Sequence[Payload],
        name: str,
        value: Any,
        focused: str | None,
        guild: Guild | None,
        resolved: dict[str, Payload],
    ) -> Payload:
        spec = next((one for one in known if one["name"] == name), None)
        if spec is None:
            raise LookupError(f"there is no option {name}")
        if name == focused:
            if not spec.get("autocomplete"):
                raise LookupError(f"{name} is not completed")
            return {"name": name, "type": spec["type"], "value": value, "focused": True}
        kind, sent = _sent(value)
        if kind != spec["type"] and (kind, spec["type"]) not in ((INTEGER, NUMBER), (USER, MENTIONABLE)):
            raise ValueError(f"{name} is of another type")
        choices = [choice["value"] for choice in spec.get("choices", [])]
        if choices and sent not in choices:
            raise ValueError(f"{name} must be one of {choices}")
        if kind == TEXT and not spec.get("min_length", 0) <= len(sent) <= spec.get("max_length", 6000):
            raise ValueError(f"{name} is too short or too long")
        _resolve(value, guild, resolved)
        return {"name": name, "type": spec["type"], "value": sent}

    def press(self, message: Message, user: User, custom_id: str) -> Interaction:
        """Press a button."""
        button = self._shown(message, custom_id)
        data = {"custom_id": custom_id, "component_type": button["type"], "id": button["id"]}
        return self._tell(COMPONENT, message.channel, user, data, source=message)

    def choose(self, message: Message, user: User, custom_id: str, values: Sequence[Any]) -> Interaction:
        """Choose in a menu: texts, or users in one of users."""
        menu = self._shown(message, custom_id)
        data: Payload = {"custom_id": custom_id, "component_type": menu["type"], "id": menu["id"]}
        data |= _chosen(menu, values, message.channel.guild)
        return self._tell(COMPONENT, message.channel, user, data, source=message)

    def _shown(self, message: Message, custom_id: str) -> Payload:
        if message.deleted:
            raise LookupError("the message is gone")
        return require_interactive(message.components, custom_id)

    def submit(self, opened: Interaction, values: Mapping[str, Any]) -> Interaction:
        """Send the form that `opened` was answered with; what `values` does not name stays as it was filled in."""
        if opened.modal is None:
            raise LookupError("no form is open")
        unknown = set(values)
        resolved: dict[str, Payload] = {}
        components: list[Payload] = []
        for one in opened.modal["components"]:
            kept = {"type": one["type"], "id": one["id"]}
            inner = one["components"][0] if one["type"] == ROW else one.get("component")
            if inner is not None:
                answer = _answered(inner, values.get(inner["custom_id"]), opened.channel.guild)
                resolved |= answer.pop("resolved", {})
                unknown.discard(inner["custom_id"])
                kept |= {"components": [answer]} if one["type"] == ROW else {"component": answer}
            components.append(kept)
        if unknown:
            raise LookupError(f"the form has no {', '.join(sorted(unknown))}")
        data: Payload = {"custom_id": opened.modal["custom_id"], "components": components}
        if resolved:
            data["resolved"] = resolved
        return self._tell(MODAL, opened.channel, opened.user, data, source=opened.source)

    def _tell(
        self,
        kind: int,
        channel: Channel,
        user: User,
        data: Payload,
        *,
        source: Message | None = None,
        locale: str = "en-US",
    ) -> Interaction:
        state = self._state
        made = Interaction(next(state.ids), secrets.token_urlsafe(40), channel, user, state.clock(), kind, source)
        state.interactions[made.id] = made
        payload = state.interaction_payload(made, self._application_id, data, locale)
        state.gateway.dispatch("INTERACTION_CREATE", 0, lambda _: payload)
        return made


def _sent(value: Any) -> tuple[int, Any]:
    """The type of an option with this value, and how it is sent."""
    if isinstance(value, bool):
        return BOOLEAN, value
    for kind, of in ((TEXT, str), (INTEGER, int), (NUMBER, float)):
        if isinstance(value, of):
            return kind, value
    for kind, made in ((USER, User), (CHANNEL, Channel), (ROLE, Role)):
        if isinstance(value, made):
            return kind, str(value.id)
    if isinstance(value, dict):
        return ATTACHMENT, value["id"]
    raise ValueError(f"{value!r} cannot be an option")


def _resolve(value: Any, guild: Guild | None, resolved: dict[str, Payload]) -> None:
    """Add what Discord tells of a user, channel, role or file that was named."""
    if isinstance(value, User):
        resolved.setdefault("users", {})[str(value.id)] = value.payload()
        if guild is not None and value.id in guild.members:
            member = guild.member_payload(value, with_user=False)
            about = {"permissions": str(guild.permissions_of(value.id))}
            resolved.setdefault("members", {})[str(value.id)] = member | about
    elif isinstance(value, Channel):
        resolved.setdefault("channels", {})[str(value.id)] = value.payload() | {"permissions": "0"}
    elif isinstance(value, Role):
        resolved.setdefault("roles", {})[str(value.id)] = value.payload()
    elif isinstance(value, dict):
        resolved.setdefault("attachments", {})[value["id"]] = value


def _chosen(menu: Payload, values: Sequence[Any], guild: Guild | None) -> Payload:
    if not menu.get("min_values", 1) <= len(values) <= menu.get("max_values", 1):
        raise ValueError("too few or too many are chosen")
    if menu["type"] == STRING_SELECT:
        known = {option["value"] for option in menu["options"]}
        if not set(values) <= known:
            raise LookupError(f"the menu has only {sorted(known)}")
        return {"values": list(values)}
    resolved: dict[str, Payload] = {}
    for value in values:
        _resolve(value, guild, resolved)
    return {"values": [str(value.id) for value in values], "resolved": resolved}


def _answered(question: Payload, value: Any, guild: Guild | None) -> Payload:
    answer: Payload = {"type": question["type"], "id": question["id"], "custom_id": question["custom_id"]}
    if question["type"] != TEXT_INPUT:
        return answer | _chosen(question, [] if value is None else value, guild)
    text = str(question.get("value") or "" if value is None else value)
    if not text and question.get("required", True):
        raise ValueError(f"{question['custom_id']} is required")
    if text and not int(question.get("min_length") or 0) <= len(text) <= int(question.get("max_length") or 4000):
        raise ValueError(f"{question['custom_id']} is too short or too long")
    return answer | {"value": text}
