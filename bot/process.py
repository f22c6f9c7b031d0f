"""What the process asks of its system: files, signals, memory."""

import asyncio
import gc
import signal
from contextlib import suppress

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def raise_file_limit() -> None:
    """Every visitor and every stream is an open file: take as many as the system lets us."""
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def on_signals() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM; a second one ends the program at once, as if there were no handler."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def first(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, first, number)
    return stop


def settle_memory() -> None:
    """Look less often for garbage, now that everything is loaded."""
    # What is imported stays: without this every full collection looks at all of it, 0.1 s at a time.
    gc.collect()
    gc.freeze()
    # What a reply consists of lives for seconds: looked at rarely, it is mostly gone by then.
    gc.set_threshold(5_000, 20, 100)
