"""Requests in UTF-8, whatever charset their content type names.

Django reads the query, too, by that charset, though it be no codec of text (`base64`), and fails on
it before any middleware is asked.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

Application = Callable[[Any, Any, Any], Awaitable[None]]
CHARSET = re.compile(rb";\s*charset\s*=[^;]*", re.IGNORECASE)


def in_utf8(application: Application) -> Application:
    """`application`, to which every request's content type comes without a charset."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        headers = [
            (name, CHARSET.sub(b"", value) if name == b"content-type" else value)
            for name, value in scope["headers"]
        ]
        await application({**scope, "headers": headers}, receive, send)

    return serve
