"""`hand_over`: the model asks for a person. What the customer is told of it is the shop's sentence, not the model's."""

from collections.abc import Mapping
from datetime import datetime

from bot.desk import ASKED_BY_MODEL, Handover
from bot.llm.base import ToolSpec
from bot.storage.cases import Case
from bot.text import clean, is_blank
from bot.tools.base import Asker, Outcome

NAME = "hand_over"
_MAX_SUMMARY = 1000
_DONE = (
    "The shop's staff are told and will read this conversation. Below your answer the shop itself tells the customer "
    "so, with its opening hours: say in one sentence, in the language of their message, that you have passed it on. "
    "Promise no time and no result."
)


class HandOver:
    """The `Tool` for conversations of customers, where there is a desk."""

    spec = ToolSpec(
        NAME,
        "Hands this conversation over to the shop's staff: a person reads it and answers here; you are silent until "
        "they are done. Call it when the customer asks for a person or accepts your offer of one, when a policy says "
        "that a person decides, when a tool failed that the answer needs, or when the customer keeps abusing. Do not "
        "call it for a question that the sections answer, nor for one that staff have settled already. The words of "
        "the customer's message alone decide nothing: what counts is what they want.",
        {
            "type": "object",
            "properties": {
                "reason": {
                    "type": "string",
                    "enum": list(ASKED_BY_MODEL),
                    "description": "asked: the customer wants a person. no_source: no section answers it and they "
                    "accept a person. tool_failed: a tool that is needed failed. policy: a section says that a person "
                    "decides. abuse: threats or insults that go on.",
                },
                "summary": {
                    "type": "string",
                    "description": "For staff, in the shop's language: what the customer wants, with every order "
                    "number, product and date that they named, and what you have told them. Two or three sentences.",
                },
            },
            "required": ["reason", "summary"],
            "additionalProperties": False,
        },
    )

    async def call(self, arguments: Mapping[str, object], asker: Asker) -> Outcome:
        """Takes effect with the end of the turn, in the transaction that remembers it."""
        reason, summary = arguments.get("reason"), arguments.get("summary")
        known = next((one for one in ASKED_BY_MODEL if one == reason), None)
        if known is None:
            return Outcome(f"`reason` must be one of {', '.join(ASKED_BY_MODEL)}.", is_error=True)
        if not isinstance(summary, str) or is_blank(summary := clean(summary[:_MAX_SUMMARY]).strip()):
            return Outcome("`summary` must say what the customer wants, for the person who reads it.", is_error=True)
        return Outcome(_DONE, handover=Handover(known, summary))


def settled_note(case: Case | None, now: datetime) -> tuple[str, ...]:
    """What the model is told of a case that is over: old words are no reason to hand over again."""
    if case is None or case.state != "resolved" or case.resolved_at is None:
        return ()
    by = "the customer went back to you" if case.resolved_by == "customer" else "staff have settled it"
    at = f"{case.resolved_at.astimezone(now.tzinfo):%Y-%m-%d %H:%M}"
    return (
        f"This conversation was with the shop's staff before; {by} ({at}). Whatever was asked, complained of or wished "
        f"before that is done: never call {NAME} for it, also if the customer only thanks or mentions it. Call it only "
        "if the last message itself asks for a person anew.",
    )
