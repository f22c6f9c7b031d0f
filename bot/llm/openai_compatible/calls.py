"""The tool calls of a chat completion, as they grow in the pieces of a stream."""

from collections.abc import Collection, Mapping
from typing import Any

from bot.errors import ModelUnavailable
from bot.llm.base import ToolCall
from bot.llm.calls import ID, MAX_ARGUMENTS, MAX_CALLS, arguments_of, mended


class _Call:
    __slots__ = ("arguments", "id", "length", "name", "whole")

    def __init__(self) -> None:
        self.id, self.name, self.length = "", "", 0
        self.arguments: list[str] = []
        self.whole: object = None
        """Arguments that came as an object instead of as text."""


class GrowingCalls:
    """Collects calls by their index, or by their id where an endpoint gives no index that tells them apart."""

    def __init__(self) -> None:
        self._by_index: dict[object, _Call] = {}
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def feed(self, piece: Mapping[str, Any]) -> None:
        """One piece of one call. Raises `ModelUnavailable` when there are far too many."""
        function = piece.get("function")
        if not isinstance(function, dict):
            return
        call = self._call(piece.get("index"), piece.get("id"), function.get("name"))
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            call.whole = arguments
        elif isinstance(arguments, str) and call.length <= MAX_ARGUMENTS:
            call.length += len(arguments)
            call.arguments.append(arguments)

    def complete(self, taken: Collection[str] = ()) -> list[ToolCall]:
        """The calls. `taken` are the ids of earlier ones in the same turn. Raises `ModelUnavailable` for one that could
        not be answered."""
        found: list[ToolCall] = []
        seen = set(taken)
        for index, call in enumerate(self._calls):
            if not ID.fullmatch(call.name):
                raise ModelUnavailable("The model called a tool in a form that has no answer.")
            # Ids go back to this endpoint or to another one, and all of them take this form.
            call_id = call.id if ID.fullmatch(call.id) and call.id not in seen else f"call_{len(taken)}_{index}"
            seen.add(call_id)
            found.append(ToolCall(call_id, call.name, arguments_of(mended("".join(call.arguments)), call.whole or {})))
        return found

    def _call(self, index: object, call_id: object, name: object) -> _Call:
        place = index if isinstance(index, int) else None
        call = self._by_index.get(place)
        has_id, has_name = isinstance(call_id, str) and call_id, isinstance(name, str) and name
        # Some send every call whole, all with the same index or with none.
        if call is None or (has_name and call.name and ((has_id and call_id != call.id) or place is None)):
            if len(self._calls) >= MAX_CALLS:
                raise ModelUnavailable("The model called far too many tools at once.")
            call = self._by_index[place] = _Call()
            self._calls.append(call)
        if has_id and not call.id:
            call.id = str(call_id)
        if has_name and not call.name:
            call.name = str(name)
        return call
