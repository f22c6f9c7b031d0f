"""What the words of `shopdesk policies` have in common: options, and how each of them is run."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bot.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print what was found or done as JSON.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="Read the settings from this file instead of .env.")]
Leave = Callable[[Callable[[], int]], None]
"""Runs an action and ends with its status."""
ReadSettings = Callable[[Path | None], Settings]
"""Reads the settings from a file, or from where they always are."""
