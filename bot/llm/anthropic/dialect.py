"""The parts of a Messages request that older endpoints do not know, and how they name them."""

from collections.abc import Iterator

from bot.llm.base import ModelRequest

THINKING, EFFORT, CACHE, SEARCH_RESULTS = "thinking", "output_config.effort", "cache_control", "search_result"
TOOL_CHOICE, BEARER, VERSION = "tool_choice", "Authorization: Bearer", "today's anthropic-version"
OLD_VERSION = "2023-06-01"
PARTS = {
    THINKING: "thinking",
    EFFORT: "output_config|effort",
    CACHE: "cache_control",
    SEARCH_RESULTS: "search_result|citations",
    TOOL_CHOICE: "tool_choice",
    VERSION: "anthropic.version",
}


def parts_of(request: ModelRequest) -> Iterator[str]:
    """Those that a body for this request may hold."""
    yield from (THINKING, EFFORT, CACHE, VERSION)
    if request.sections or request.found or request.rounds:
        yield SEARCH_RESULTS
    if not request.may_call:
        yield TOOL_CHOICE
