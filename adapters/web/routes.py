"""The addresses of the web server and what is behind each."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from adapters.web.intake import Posted, Refused, read_post
from adapters.web.page import Page, SecurityHeaders
from adapters.web.reception import Reception
from adapters.web.sentences import language_of, sentence
from adapters.web.shelf import hand_out
from adapters.web.stream import EventStream, Patience
from adapters.web.visitors import Visitor, keep_cookie, visitor_of
from bot.chat import Shelf

Take = Callable[[Visitor, Posted], Awaitable[None]]


def build_app(
    reception: Reception,
    *,
    page: Page,
    shelf: Shelf,
    readiness: Callable[[], Mapping[str, str]],
    extra_routes: Sequence[BaseRoute],
    patience: Patience,
) -> ASGIApp:
    """The ASGI application. `extra_routes` come last and cannot hide one of ours."""
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        exception_handlers={Refused: _refusal},
        routes=[
            Route("/", partial(_index, page), methods=["GET"]),
            Route("/static/{name}", partial(_file, page), methods=["GET"]),
            Route("/api/messages", partial(_post, reception.take_message, with_text=True), methods=["POST"]),
            Route("/api/human", partial(_post, reception.ask_person, with_text=False), methods=["POST"]),
            Route("/files/{token}", partial(hand_out, shelf), methods=["GET"]),
            Route("/api/new", partial(_post, reception.start_afresh, with_text=False), methods=["POST"]),
            Route("/api/stop", partial(_post, reception.stop_answer, with_text=False), methods=["POST"]),
            Route("/api/events", partial(_events, reception, patience), methods=["GET"]),
            Route("/healthz", _health, methods=["GET"]),
            Route("/readyz", partial(_ready, readiness), methods=["GET"]),
            *extra_routes,
        ],
    )
    return SecurityHeaders(app)


async def _index(page: Page, request: Request) -> Response:
    visitor = visitor_of(request)
    response = page.index(request)
    keep_cookie(request, response, visitor)
    return response


async def _file(page: Page, request: Request) -> Response:
    return page.file(request, request.path_params["name"])


async def _post(take: Take, request: Request, *, with_text: bool) -> Response:
    posted = await read_post(request, with_text=with_text)
    visitor = visitor_of(request)
    try:
        await take(visitor, posted)
    except Refused as refused:
        refused.language = refused.language or language_of(request, posted.language)
        raise
    response = JSONResponse({"id": posted.id, "visitor": visitor.tag}, 202, {"cache-control": "no-store"})
    if visitor.is_new:
        keep_cookie(request, response, visitor)
    return response


async def _events(reception: Reception, patience: Patience, request: Request) -> Response:
    visitor = visitor_of(request)
    # The browser's own header is newer than what the page put into the address when it connected.
    after = request.headers.get("last-event-id") or request.query_params.get("after")
    stream = EventStream(
        reception.open_feed(visitor, after),
        open_feed=partial(reception.open_with_transcript, visitor),
        on_close=partial(reception.close_feed, visitor),
        patience=patience,
    )
    if visitor.is_new:
        keep_cookie(request, stream, visitor)
    return stream


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers={"cache-control": "no-store"})


async def _ready(readiness: Callable[[], Mapping[str, str]], request: Request) -> Response:
    """200 when every door is on. Who only wants to know whether this process serves asks /healthz.

    Why a door is off is for the operator, who reads it in the terminal. It is not said here, not even to this
    machine: behind a web server every stranger comes from it.
    """
    doors = {name: "on" if state == "on" else "off" for name, state in readiness().items()}
    good = all(state == "on" for state in doors.values())
    return JSONResponse({"ready": good, "doors": doors}, 200 if good else 503, {"cache-control": "no-store"})


async def _refusal(request: Request, exc: Exception) -> Response:
    refused = cast(Refused, exc)
    language = refused.language or language_of(request)
    headers = {"cache-control": "no-store"}
    if seconds := refused.values.get("seconds"):
        headers["retry-after"] = str(seconds)
    message = sentence(refused.code, language, **refused.values)
    return JSONResponse({"error": refused.code, "message": message}, refused.status, headers)
