"""Which policies a turn goes by, and whether it is one of a canary's."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.chat import InboundMessage
from bot.policies.live import Policies


@dataclass(frozen=True, slots=True)
class Side:
    """`variant`: the canary that a turn takes part in; None: it is one of the stable side."""

    policies: Policies
    variant: int | None = None


Sides = Callable[[InboundMessage], Side]
"""The side of the turn that answers this message; the same customer has the same one, as long as it lasts."""
