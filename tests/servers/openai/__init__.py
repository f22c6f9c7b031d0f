"""A loopback chat completions API, as strict as the real ones, that says what it is told to say."""

from tests.servers.anthropic.script import Fault, Pause, Say, Step, Stop, Think, UseTool
from tests.servers.anthropic.server import Call
from tests.servers.openai.server import OpenAIServer

__all__ = ["Call", "Fault", "OpenAIServer", "Pause", "Say", "Step", "Stop", "Think", "UseTool"]
