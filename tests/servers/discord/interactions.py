"""The routes of the loopback Discord that answer commands, buttons, forms and completions: callback and webhook."""

from typing import Any

from aiohttp import web

from tests.servers.discord.bodies import Bodies
from tests.servers.discord.components import modal_of
from tests.servers.discord.messages import Message
from tests.servers.discord.state import (
    COMMAND,
    COMPLETION,
    COMPONENT,
    MODAL,
    ApiError,
    Interaction,
    State,
    invalid_form,
)
from tests.servers.discord.wire import FILES, fields, no_content, number, reply, text_of
from tests.servers.discord.world import EPHEMERAL, LOADING, SLASH_RESPONSE, SUPPRESS_EMBEDS, Payload

MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, CHOICES, FORM = 4, 5, 6, 7, 8, 9
MOST_CHOICES = 25


class Interactions:
    """`answer_within` and `lifetime` are seconds: the first answer, and how long the token is good."""

    def __init__(
        self, state: State, bodies: Bodies, *, application_id: int, answer_within: float, lifetime: float
    ) -> None:
        self._state = state
        self._bodies = bodies
        self._application_id = application_id
        self._answer_within = answer_within
        self._lifetime = lifetime

    def routes(self) -> list[web.RouteDef]:
        webhook = f"/webhooks/{self._application_id}/{{token}}"
        return [
            web.post("/interactions/{interaction}/{token}/callback", self.callback),
            web.post(webhook, self.follow_up),
            web.get(webhook + "/messages/{message}", self.get),
            web.patch(webhook + "/messages/{message}", self.edit),
            web.delete(webhook + "/messages/{message}", self.delete),
        ]

    async def callback(self, request: web.Request) -> web.Response:
        interaction = self._state.interactions.get(number(request, "interaction"))
        late = interaction is not None and self._state.clock() - interaction.created > self._answer_within
        if interaction is None or late or request.match_info["token"] != interaction.token:
            raise ApiError(404, 10062, "Unknown interaction")
        if interaction.acknowledged:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        body = fields(request)
        kind, data = body.get("type"), body.get("data") or {}
        allowed = _answers_to(interaction)
        if kind not in allowed or not isinstance(data, dict):
            raise invalid_form("type", "BASE_TYPE_CHOICES", f"Value must be one of {allowed}.")
        self._answer(interaction, kind, data, request)
        interaction.acknowledged, interaction.answer = True, kind
        self._state.notify()
        return self._called_back(interaction, kind, request.query.get("with_response", "").lower() in ("1", "true"))

    def _answer(self, interaction: Interaction, kind: int, data: Payload, request: web.Request) -> None:
        if kind == CHOICES:
            interaction.choices = _choices_of(data)
        elif kind == FORM:
            interaction.modal = modal_of(data)
        elif kind == MESSAGE:
            interaction.response = self._post(interaction, data, request)
        elif kind == DEFERRED:
            flags = int(data.get("flags", 0)) & (EPHEMERAL | SUPPRESS_EMBEDS)
            interaction.response = self._show(interaction, {"content": "", "flags": flags | LOADING})
        else:
            interaction.response = interaction.source
            if kind == UPDATE and interaction.source is not None:
                self._bodies.edit(interaction.source, data, request[FILES])

    def _called_back(self, interaction: Interaction, kind: int, with_response: bool) -> web.Response:
        if not with_response:
            return no_content()
        about: Payload = {"id": str(interaction.id), "type": interaction.kind}
        resource: Payload = {"type": kind}
        message = interaction.response
        if message is not None:
            about |= {
                "response_message_id": str(message.id),
                "response_message_loading": message.thinking,
                "response_message_ephemeral": message.ephemeral,
            }
            resource["message"] = message.payload()
        return reply({"interaction": about, "resource": resource})

    def _post(self, interaction: Interaction, data: Payload, request: web.Request) -> Message:
        shown = self._bodies.new(data, request[FILES], flags=EPHEMERAL | SUPPRESS_EMBEDS)
        return self._show(interaction, shown)

    def _show(self, interaction: Interaction, shown: dict[str, Any]) -> Message:
        return self._state.post(
            interaction.channel,
            self._state.bot,
            kind=SLASH_RESPONSE if interaction.kind == COMMAND else 0,
            application_id=self._application_id,
            **shown,
        )

    async def follow_up(self, request: web.Request) -> web.Response:
        interaction, body = self._interaction(request), fields(request)
        first = interaction.response
        if first is not None and first.thinking and not first.deleted:
            # The first words after "is thinking" take its place, and with them its being ephemeral.
            self._bodies.edit(first, body, request[FILES], clear=LOADING)
            return reply(first.payload())
        message = self._post(interaction, body, request)
        interaction.followups.append(message)
        return reply(message.payload())

    async def get(self, request: web.Request) -> web.Response:
        return reply(self._message(request).payload())

    async def edit(self, request: web.Request) -> web.Response:
        message = self._message(request)
        self._bodies.edit(message, fields(request), request[FILES], clear=message.flags & LOADING)
        return reply(message.payload())

    async def delete(self, request: web.Request) -> web.Response:
        self._state.remove(self._message(request))
        return no_content()

    def _interaction(self, request: web.Request) -> Interaction:
        for interaction in self._state.interactions.values():
            if interaction.token == request.match_info["token"]:
                if self._state.clock() - interaction.created > self._lifetime:
                    raise ApiError(401, 50027, "Invalid Webhook Token")
                if not interaction.acknowledged:
                    raise ApiError(404, 10015, "Unknown Webhook")
                return interaction
        raise ApiError(401, 50027, "Invalid Webhook Token")

    def _message(self, request: web.Request) -> Message:
        interaction, wanted = self._interaction(request), request.match_info["message"]
        candidates = [one for one in (interaction.response, *interaction.followups) if one is not None]
        for message in candidates:
            named = message is interaction.response if wanted == "@original" else str(message.id) == wanted
            if named and not message.deleted:
                return message
        raise ApiError(404, 10008, "Unknown Message")


def _answers_to(interaction: Interaction) -> tuple[int, ...]:
    if interaction.kind == COMPLETION:
        return (CHOICES,)
    if interaction.kind == COMPONENT:
        return (MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, FORM)
    if interaction.kind == MODAL:
        return (MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE) if interaction.source else (MESSAGE, DEFERRED)
    return (MESSAGE, DEFERRED, FORM)


def _choices_of(data: Payload) -> list[Payload]:
    choices = data.get("choices")
    if not isinstance(choices, list) or len(choices) > MOST_CHOICES:
        raise invalid_form("data.choices", "BASE_TYPE_MAX_LENGTH", f"Must be {MOST_CHOICES} or fewer in length.")
    for place, choice in enumerate(choices):
        text_of(choice, "name", 100, where=f"data.choices.{place}")
        if isinstance(choice.get("value"), str):
            text_of(choice, "value", 100, where=f"data.choices.{place}")
        elif not isinstance(choice.get("value"), int | float):
            raise invalid_form(f"data.choices.{place}.value", "BASE_TYPE_REQUIRED", "This field is required")
    return choices
