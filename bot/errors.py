"""Every error that is raised on purpose, as a tree that follows what the caller does next.

    ShopdeskError
    ├── SettingsError           the operator must change a setting: one sentence says which
    ├── PromptsError            a file in prompts/ is wrong: file, line, reason, fix
    ├── StorageError            the database cannot be used: one sentence
    │   ├── StorageFull         no room on the disk: try again when there is
    │   └── StorageInUse        another program serves the database: ask that one, or end it
    ├── OverBudget              what may be spent in a day is spent: no model is asked
    ├── ControlError            the program that runs was not reached, or did not do what it was asked
    ├── PlatformError
    │   ├── RateLimited         wait `retry_after` seconds, then call again
    │   ├── RecipientGone       nobody reads here any more: end quietly
    │   ├── MessageGone         the message to be edited is not there: send a new one
    │   ├── MessageRefused      the platform will never show this text: send a plainer one
    │   ├── AccountRejected     token, permission or second process: the operator must act
    │   └── Unavailable         try again with backoff; the call may have been applied
    └── ModelError
        ├── ModelUnavailable    try again (if `again`), or another model may answer
        │   └── KeyRefused      this key may not, now or for good: another one may
        ├── ModelRefused        the model will not answer this: drop the turn
        └── ModelRejected       the request is wrong: nobody will answer it

Messages are written for the operator; a customer reads a sentence from `prompts/`, never one of these.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ShopdeskError(Exception):
    """The root of the tree."""


class SettingsError(ShopdeskError):
    """A setting is missing or wrong; the text names the variable and the fix."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one file. `line` counts from 1; 0 means the file as a whole."""

    file: str
    line: int
    reason: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.reason} {self.fix}".rstrip()


class PromptsError(ShopdeskError):
    """The prompts folder does not check; `problems` holds all that was found, `words` may say it more shortly."""

    def __init__(self, problems: Sequence[Problem], words: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__(words or "\n".join(str(problem) for problem in self.problems))


class StorageError(ShopdeskError):
    """The database file cannot be used."""


class StorageFull(StorageError):
    """There is no room on the disk."""


class StorageInUse(StorageError):
    """Another program serves the database."""


class OverBudget(ShopdeskError):
    """What may be spent in a day is spent."""


class ControlError(ShopdeskError):
    """The program that runs was not reached, or did not do what it was asked to do."""


class PlatformError(ShopdeskError):
    """A call to a chat platform failed."""


class RateLimited(PlatformError):
    """Too many calls: wait `retry_after` seconds. `whole_account` when the platform says that all are meant."""

    def __init__(self, retry_after: float, *, whole_account: bool = False) -> None:
        self.retry_after = retry_after
        self.whole_account = whole_account
        super().__init__(f"too many calls, wait {retry_after:g} s")


class RecipientGone(PlatformError):
    """Nobody reads at this address: blocked, left, deleted."""


class MessageGone(PlatformError):
    """The message to be edited does not exist any more or cannot be edited."""


class MessageRefused(PlatformError):
    """The platform refuses this text and always will."""


class AccountRejected(PlatformError):
    """The platform refuses the account: wrong token, missing permission, a second process on the token."""


class Unavailable(PlatformError):
    """The platform was not reached or failed. `maybe_applied`: the call may have taken effect all the same."""

    def __init__(self, message: str, *, maybe_applied: bool = True) -> None:
        self.maybe_applied = maybe_applied
        super().__init__(message)


class ModelError(ShopdeskError):
    """A model did not answer. `partial` text may have been yielded before."""


class ModelUnavailable(ModelError):
    """The model was not reached, is overloaded, or broke off. `retry_after` in seconds, when it said so; `again`:
    whether trying the same model again may help, as it does not where an address or a name is wrong."""

    def __init__(self, message: str, *, retry_after: float | None = None, again: bool = True) -> None:
        self.retry_after = retry_after
        self.again = again
        super().__init__(message)


class KeyRefused(ModelUnavailable):
    """The endpoint does not serve this key: too many requests or tokens, no credit, or `for_good`: no such key."""

    def __init__(self, message: str, *, retry_after: float | None = None, for_good: bool = False) -> None:
        self.for_good = for_good
        super().__init__(message, retry_after=retry_after, again=not for_good)


class ModelRefused(ModelError):
    """The model declined to answer this turn."""


class ModelRejected(ModelError):
    """The request itself is wrong: another try, or another model, changes nothing."""
