"""What staff or the operator should know without asking: said once when it begins, and once when it is over."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

log = logging.getLogger(__name__)

Kind = Literal["policies", "breaker", "key", "budget", "canary", "model"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence about one thing. `about` names the thing (an endpoint, a key's label, a policy version), so that
    what is told of it later can be put beside it; `is_over`: it is good again."""

    kind: Kind
    about: str
    words: str
    is_over: bool = False


Notify = Callable[[Notice], None]
"""Must not block, and raises nothing."""


def log_notice(notice: Notice) -> None:
    """The `Notify` for where nobody else listens."""
    log.log(logging.INFO if notice.is_over else logging.WARNING, "%s: %s", notice.kind, notice.words)
