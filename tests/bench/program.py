"""The program in a process of its own, as it runs in a shop, and what the operating system says about it (Linux)."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.anthropic import AnthropicServer
from tests.servers.discord import DiscordServer
from tests.servers.telegram import TelegramServer

PROMPTS = Path(__file__).parent.parent.parent / "prompts"


@dataclass(frozen=True, slots=True)
class Program:
    """A running program: its process, and where its page is."""

    pid: int
    url: str

    def cpu_seconds(self) -> float:
        """Time that all its threads have had on a core so far."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def memory(self) -> float:
        """Peak resident memory in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


@contextlib.asynccontextmanager
async def program(
    telegram: TelegramServer,
    claude: AnthropicServer,
    *,
    discord: DiscordServer | None = None,
    web: bool = False,
    log_level: str = "warning",
) -> AsyncIterator[Program]:
    """Start the program between these; it is up when this enters."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "TELEGRAM_BOT_TOKEN": next(iter(telegram.accounts)),
            "TELEGRAM_API_URL": telegram.url,
            "ANTHROPIC_API_KEY": claude.api_key,
            "ANTHROPIC_BASE_URL": claude.url,
            "SHOPDESK_DATA": folder,
            "SHOPDESK_PROMPTS": str(PROMPTS),
            "SHOPDESK_WEB": f"127.0.0.1:{port}" if web else "off",
            "SHOPDESK_LOG_LEVEL": log_level,
        }
        if discord is not None:
            settings |= {
                "DISCORD_BOT_TOKEN": discord.token,
                "DISCORD_API_URL": discord.api_url,
                "DISCORD_GATEWAY_URL": discord.gateway_url,
                "DISCORD_STAFF_ROLE_ID": str(discord.staff_role.id),
            }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", env={**os.environ, **settings}, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await telegram.wait_for(lambda: telegram.calls("deleteWebhook"), timeout=30)
            if discord is not None:
                await discord.wait_for(
                    lambda: discord.state.commands.get(None) and discord.gateway.sessions, timeout=30
                )
            yield Program(process.pid, f"http://127.0.0.1:{port}")
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


@contextlib.asynccontextmanager
async def probed(url: str) -> AsyncIterator[list[float]]:
    """Ask the page's `/healthz` all the while; at the end the list holds what each answer took, in seconds.

    It is asked from a process of its own: this one is busy with being everybody else.
    """
    answers: list[float] = []
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.probe", url, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield answers
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()
        answers.extend(json.loads(output))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
