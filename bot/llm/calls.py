"""The arguments of a tool's call as a model streams them: pieces of JSON, which may be anything."""

import json
import re
from typing import Any

MAX_ARGUMENTS = 64 * 1024
"""Characters of JSON; what is longer is not kept."""
MAX_CALLS = 1000
ID = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""What every provider takes as an id or as the name of a tool."""


def arguments_of(written: str, given: object = None) -> dict[str, Any] | None:
    """The arguments, if they are a JSON object that can be sent back. `given`: what counts if none were written."""
    if len(written) > MAX_ARGUMENTS:
        return None
    try:
        value = json.loads(written) if written.strip() else given
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def mended(text: str) -> str:
    """A text whose characters came in halves (JSON escapes may be cut between them) with whole ones."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
