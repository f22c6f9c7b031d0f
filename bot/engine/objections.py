"""What is said of a message that no model is asked about."""

from bot.engine.limits import EngineLimits
from bot.engine.request import unreadable_kinds
from bot.engine.turn import RunningTurn
from bot.text import is_blank


def objection(turn: RunningTurn, limits: EngineLimits) -> str | None:
    """The sentence for a message that no model is asked about, or None."""
    if len(turn.asked) > limits.max_text:
        return turn.policies.sentence("too_long", turn.language, limit=limits.max_text)
    if not is_blank(turn.asked):
        return None
    has_photo = any(item.kind == "photo" for stored in turn.messages for item in stored.message.attachments)
    if has_photo:
        return None
    for kind in unreadable_kinds(turn.messages):
        return turn.policies.sentence(f"unsupported_{kind}", turn.language)
    return turn.policies.sentence("empty", turn.language)
