"""What an answer says when a person is to go on, where there are staff who would."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.desk import Handover
from bot.engine.turn import RunningTurn
from bot.policies.waiting import waiting_words
from bot.storage.turns import Outcome
from bot.text import is_blank


@dataclass(frozen=True, slots=True)
class Desk:
    """`is_there`: a conversation that waits for a person is looked at by staff."""

    is_there: bool
    now: Callable[[], datetime]

    def model_down(self, turn: RunningTurn) -> str:
        """What is said when there is no answer: with a desk, a person is to give it."""
        if not self.is_there or turn.messages[0].message.role != "customer":
            return turn.policies.sentence("model_down", turn.language)
        turn.handover = turn.handover or Handover("model_down")
        return turn.policies.sentence("model_down_person", turn.language)

    def hand_over(self, turn: RunningTurn, notice: str) -> str:
        """What stands under the answer: when a person will look at it, if one will."""
        if not (turn.handover and self.is_there):
            return notice
        words = waiting_words(turn.policies, turn.language, self.now())
        if is_blank(turn.reply.text):
            turn.reply.append(words)
            return notice
        return f"{notice}\n\n{words}".strip()

    def offers_person(self, turn: RunningTurn, outcome: Outcome) -> bool:
        """Whether a button under it asks for a person: under the first answer of a conversation."""
        return self.is_there and turn.is_first and turn.handover is None and outcome == "complete"
