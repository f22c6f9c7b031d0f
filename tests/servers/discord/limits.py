"""The rate limits of the loopback Discord: fixed windows per route and channel, and one for the whole account."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.servers.discord.messages import Message
from tests.servers.discord.state import ApiError, too_many
from tests.servers.discord.world import Channel

RENAMES, RENAMES_PER = 2, 600.0
"""Of one channel. Source: github.com/discord/discord-api-docs, issue 1900."""
OLD = 3600.0
OLD_EDITS, OLD_EDITS_PER = 20, 60.0
"""Of messages older than an hour, in one channel: there is such a limit, its numbers are not published."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The routes that share a limit, for each channel or webhook: the first group of `path`.

    Without numbers of its own a bucket has those that the server was made with.
    """

    methods: tuple[str, ...]
    path: re.Pattern[str]
    name: str
    limit: int | None = None
    window: float | None = None


BUCKETS = (
    Bucket(("POST",), re.compile(r"/channels/(\d+)/messages$"), "create-message"),
    Bucket(("GET",), re.compile(r"/channels/(\d+)/messages$"), "list-messages"),
    Bucket(("PATCH",), re.compile(r"/channels/(\d+)/messages/\d+$"), "edit-message"),
    Bucket(("DELETE",), re.compile(r"/channels/(\d+)/messages/\d+$"), "delete-message", 5, 1.0),
    Bucket(("POST",), re.compile(r"/channels/(\d+)/typing$"), "typing"),
    Bucket(("PATCH",), re.compile(r"/channels/(\d+)$"), "modify-channel", 5, 15.0),
    Bucket(("PUT", "DELETE"), re.compile(r"/channels/(\d+)/messages/\d+/reactions/"), "reaction", 1, 0.25),
    Bucket(("POST",), re.compile(r"/webhooks/(\d+/[^/]+)$"), "webhook", 5, 2.0),
    Bucket(("PATCH",), re.compile(r"/webhooks/(\d+/[^/]+)/messages/[^/]+$"), "webhook-edit", 5, 2.0),
)


@dataclass(slots=True)
class Window:
    started: float
    used: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the headers of a response say; `retry_after` is set when the call was one too many."""

    limit: int
    remaining: int
    reset_after: float
    bucket: str
    retry_after: float | None = None
    whole_account: bool = False

    def headers(self) -> dict[str, str]:
        head = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset-After": f"{self.reset_after:.3f}",
            "X-RateLimit-Bucket": self.bucket,
        }
        if self.retry_after is not None:
            head |= {"Via": "1.1 google", "Retry-After": str(int(self.retry_after) + 1)}
            head["X-RateLimit-Scope"] = "global" if self.whole_account else "user"
        if self.whole_account:
            head = {name: value for name, value in head.items() if not name.endswith(("-Limit", "-Remaining"))}
            head["X-RateLimit-Global"] = "true"
        return head


class Limits:
    """A window opens with its first call and holds `per_window` of them; it never grows back steadily."""

    def __init__(
        self,
        *,
        per_window: int,
        window: float,
        per_second: int,
        webhook_per_minute: int,
        clock: Callable[[], float],
        off: bool = False,
    ) -> None:
        self.off = off
        self._webhook_per_minute = webhook_per_minute
        self._per_window = per_window
        self._window = window
        self._per_second = per_second
        self._clock = clock
        self._windows: dict[tuple[str, str], Window] = {}
        self.emptied = 0
        """How often a call took the last of its window, which makes discord.py wait for the next one."""

    def spend(self, method: str, path: str, *, counts_globally: bool) -> Verdict | None:
        """Count one call. None: this route tells nothing about limits."""
        if self.off:
            return None
        if counts_globally:
            everything = self._take("global", "", self._per_second, 1.0)
            if everything.retry_after is not None:
                return everything
        for one in BUCKETS:
            if method in one.methods and (found := one.path.search(path)):
                return self._take(one.name, found[1], one.limit or self._per_window, one.window or self._window)
        return None

    def spend_rename(self, channel: Channel) -> None:
        """A new name for a channel: of this limit no header tells before it is used up."""
        self._spend_hidden("rename", str(channel.id), RENAMES, RENAMES_PER)

    def spend_webhook_message(self, place: Channel) -> None:
        """Webhooks together may write so much into one channel; no header tells of it either.

        Source: github.com/discord/discord-api-docs, issue 367.
        """
        self._spend_hidden("webhook-channel", str(place.id), self._webhook_per_minute, 60.0)

    def spend_edit(self, message: Message) -> None:
        """An edit of a message that is older than an hour. Source: discord-api-docs, issue 4413."""
        if self._clock() - message.age_from <= OLD or self.off:
            return
        verdict = self._take("old-edit", str(message.channel.id), OLD_EDITS, OLD_EDITS_PER)
        if verdict.retry_after is not None:
            words = "Maximum number of edits to messages older than 1 hour reached. Try again later."
            raise ApiError(429, 30046, words)

    def _spend_hidden(self, bucket: str, major: str, limit: int, length: float) -> None:
        if self.off:
            return
        verdict = self._take(bucket, major, limit, length)
        if verdict.retry_after is not None:
            raise too_many(verdict.retry_after)

    def _take(self, bucket: str, major: str, limit: int, length: float) -> Verdict:
        now = self._clock()
        window = self._windows.get((bucket, major))
        if window is None or now - window.started >= length:
            window = self._windows[bucket, major] = Window(now)
        left = window.started + length - now
        if window.used >= limit:
            return Verdict(limit, 0, left, bucket, retry_after=left, whole_account=bucket == "global")
        window.used += 1
        self.emptied += window.used == limit
        return Verdict(limit, limit - window.used, left, bucket)
