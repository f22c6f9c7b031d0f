"""Makes the calls of a model's answer: a bounded number of them, whatever the model writes."""

import logging
from collections.abc import Container, Sequence
from dataclasses import replace

from bot.desk import Handover
from bot.llm.base import ToolCall, ToolResult, ToolSpec
from bot.tools.base import Asker, Tool

log = logging.getLogger(__name__)

_TOO_MANY = "This call was not made: no more than {limit} at once."
_UNREADABLE = "The arguments are no JSON object, or far too long."
_UNKNOWN = "There is no such tool. The tools are: {names}."
_GIVEN = "{count} of the sections that match were given to you before: rely on them as they stand there."


class Toolbox:
    """The tools of one turn."""

    def __init__(self, tools: Sequence[Tool], *, calls: int) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self._calls = calls
        self.handover: Handover | None = None
        """A person is needed, as one of the calls says."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """How a model is told of them, in a stable order."""
        return tuple(tool.spec for tool in self._tools.values())

    async def results(self, calls: Sequence[ToolCall], asker: Asker, given: Container[str]) -> tuple[ToolResult, ...]:
        """What came of each call, in their order. Sections whose ids are `given` already are not given again, since
        they would cost their length once more. Raises `StorageError`."""
        results: list[ToolResult] = []
        known: set[str] = set()
        for number, call in enumerate(calls):
            if number >= self._calls:
                result = ToolResult(call.id, _TOO_MANY.format(limit=self._calls), is_error=True)
            else:
                result = await self._result(call, asker)
            new = tuple(one for one in result.sections if one.section_id not in given and one.section_id not in known)
            if len(new) < len(result.sections):
                words = _GIVEN.format(count=len(result.sections) - len(new))
                result = replace(result, text=f"{result.text}\n{words}", sections=new)
            known.update(section.section_id for section in new)
            results.append(result)
        return tuple(results)

    async def _result(self, call: ToolCall, asker: Asker) -> ToolResult:
        tool = self._tools.get(call.name)
        if tool is None:
            return ToolResult(call.id, _UNKNOWN.format(names=", ".join(self._tools)), is_error=True)
        if call.arguments is None:
            return ToolResult(call.id, _UNREADABLE, is_error=True)
        outcome = await tool.call(call.arguments, asker)
        self.handover = outcome.handover or self.handover
        log.debug("%s gives %s sections", tool.spec.name, len(outcome.sections))
        return ToolResult(call.id, outcome.text, outcome.sections, outcome.is_error)
