"""A loopback Messages API, as strict as the real one, that says what it is told to say."""

from tests.servers.anthropic.script import Cite, Fault, Pause, Say, Step, Stop, Think, UseTool
from tests.servers.anthropic.server import AnthropicServer, Call

__all__ = ["AnthropicServer", "Call", "Cite", "Fault", "Pause", "Say", "Step", "Stop", "Think", "UseTool"]
