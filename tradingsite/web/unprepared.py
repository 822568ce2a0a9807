"""Answers of the web process while `manage.py prepare` has not been run: 503 with words."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from foundation.outages import RETRY_S
from tradingsite.startup.prerequisites import missing_for_web

REMEDY = "run `python manage.py prepare`, or `make run`"
TRY_AGAIN_LATER = 1013  # WebSocket close code
logger = structlog.get_logger(__name__)


class OncePrepared:
    """The application, behind a door that opens by itself as soon as nothing is missing."""

    def __init__(
        self, application: Any, look_for_missing: Callable[[], str | None] = missing_for_web
    ) -> None:
        self._application, self._look_for_missing = application, look_for_missing
        self._missing = look_for_missing()
        if self._missing is not None:
            threading.Thread(target=self._await, name="prepared", daemon=True).start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        missing = self._missing
        if missing is None:
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            await _answer(f"not prepared: {missing}; {REMEDY}", scope["path"], send)
        else:
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})

    def _await(self) -> None:
        while self._missing is not None:
            logger.warning("database.not_prepared", missing=self._missing)
            time.sleep(RETRY_S)
            self._missing = self._look_for_missing()


async def _answer(why: str, path: str, send: Any) -> None:
    """503, as JSON for /health; a browser looks again by itself."""
    body, kind = f"503: {why}\n", "text/plain; charset=utf-8"
    if path == "/health":
        body, kind = json.dumps({"status": "unhealthy", "error": why}), "application/json"
    headers = {
        "content-type": kind,
        "retry-after": "5",
        "refresh": "5",
        "cache-control": "no-store",
    }
    await send(
        {
            "type": "http.response.start",
            "status": 503,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body.encode()})
