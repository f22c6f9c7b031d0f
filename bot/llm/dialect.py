"""What an endpoint does not know, learned from its refusals: it is left out from then on."""

import logging
import re
from collections.abc import Collection, Mapping

from bot.llm.refusals import complaint_of
from bot.llm.wire import Refusal

_MAY_NAME_A_FIELD = (400, 404, 422, 501)

log = logging.getLogger(__name__)

Without = frozenset[str]
"""Names of parts of a request that are left out."""
NOTHING: Without = frozenset()


class Dialect:
    """One model at one endpoint. `parts` maps each part that can be left out to what names it in a complaint.

    What a complaint names is left out of the next try only, and for good once that try is accepted: a complaint may
    quote what a customer wrote.
    """

    def __init__(self, name: str, parts: Mapping[str, str]) -> None:
        self._name = name
        self._parts = {part: re.compile(words, re.IGNORECASE) for part, words in parts.items()}
        self.without = NOTHING

    def learned(self, without: Without) -> None:
        """This was accepted."""
        if new := without - self.without:
            log.info("%s does not know %s: left out from now on", self._name, ", ".join(sorted(new)))
            self.without |= new

    def next_try(self, refusal: Refusal, without: Without, sent: Collection[str]) -> Without | None:
        """What to leave out of the next try: one part more, that which the complaint names first of those that were
        sent. None: it names none."""
        if refusal.status not in _MAY_NAME_A_FIELD or refusal.is_html:
            return None
        complaint = complaint_of(refusal.said)
        for text in (complaint.field, complaint.message):
            found = [
                (match.start(), part)
                for part, words in self._parts.items()
                if part in sent and part not in without and (match := words.search(text))
            ]
            if found:
                return without | {min(found)[1]}
        return None
