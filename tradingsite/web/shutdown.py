"""Shutdown of the web process: requests under way are answered, and none can hold it back.

What runs in a thread runs on when daphne stops. It would then wait for an event loop that is
gone, and the interpreter for it, for ever.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

ANSWERED_WITHIN = 2.5  # seconds
GONE_WITHIN = 3.0  # seconds, whatever hangs; promised are five, on a busy machine too

Application = Callable[[Any, Any, Any], Awaitable[None]]
_under_way: set["asyncio.Future[None]"] = set()


def finishing(application: Application) -> Application:
    """`application`, whose requests run on when daphne cancels them."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        request = asyncio.ensure_future(application(scope, receive, send))
        _under_way.add(request)
        request.add_done_callback(_under_way.discard)
        await asyncio.shield(request)

    return serve


def stop_in_time() -> None:
    """Let daphne's reactor wait for the requests, and end the process even if a thread hangs."""
    from twisted.internet import reactor  # daphne has chosen which one by now

    reactor.addSystemEventTrigger("before", "shutdown", _answered)  # type: ignore[arg-type]


def _answered() -> Any:
    from twisted.internet.defer import Deferred

    _bound_shutdown()
    loop = asyncio.get_event_loop()
    return Deferred.fromFuture(loop.create_task(_wait()))


async def _wait() -> None:
    if _under_way:
        await asyncio.wait(_under_way, timeout=ANSWERED_WITHIN)


def _bound_shutdown() -> None:
    timer = threading.Timer(GONE_WITHIN, os._exit, [0])
    timer.daemon = True
    timer.start()
