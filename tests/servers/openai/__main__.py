"""`python -m tests.servers.openai`: the loopback model by itself, for benches and for trying things by hand."""

import argparse
import asyncio
import sys

from tests.servers.openai import OpenAIServer


async def main() -> None:
    parser = argparse.ArgumentParser(description="A loopback chat completions API. Prints its address, then its key.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--rate", type=float, default=40.0, help="pieces a second; 0: all at once")
    parser.add_argument("--piece", type=int, default=8, help="characters in a piece")
    parser.add_argument("--delay", type=float, default=0.3, help="seconds before the first text")
    parser.add_argument("--say", default="Dạ, shop chào bạn. ", help="answer with this text")
    parser.add_argument("--repeat", type=int, default=1, help="how often --say is repeated")
    arguments = parser.parse_args()
    server = OpenAIServer(port=arguments.port, rate=arguments.rate, piece=arguments.piece, delay=arguments.delay)
    server.answer(arguments.say * arguments.repeat)
    async with server:
        sys.stdout.write(f"{server.url}\n{server.api_key}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
