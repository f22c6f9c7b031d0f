"""Lines that are open and on which nothing is asked."""

from aiohttp import web


def hang_up(runner: web.AppRunner | None) -> None:
    """Close them, as servers do that are tired of an idle line. Only aiohttp itself knows which these are."""
    server = runner.server if runner else None
    for connection in server.connections if server else ():
        if connection._waiter is not None:
            connection.force_close()
