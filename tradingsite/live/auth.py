"""Authentication of sockets: open where PUBLIC_READ, else for users and holders of a token."""

from typing import Any
from urllib.parse import parse_qs, urlparse

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.security.websocket import OriginValidator
from django.conf import settings
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

Scope = dict[str, Any]


def has_known_origin(scope: Scope) -> bool:
    """True where the page that opened the socket is ours; programs send no origin.

    Browsers let any page open a socket to any host, cookies included, so it is for us to ask.
    """
    origin = dict(scope["headers"]).get(b"origin")
    if origin is None:
        return True
    try:
        parsed = urlparse(origin.decode("latin-1"))
        return bool(OriginValidator(None, settings.ALLOWED_HOSTS).validate_origin(parsed))
    except ValueError:
        return False


async def may_read(scope: Scope) -> bool:
    """By session cookie, `Authorization: Token …` or `?token=…`. Asks the database."""
    token = _token(scope)
    if token is None:
        return await _is_signed_in(scope)
    check = database_sync_to_async(_is_valid, thread_sensitive=False)
    return bool(await check(token))


async def _is_signed_in(scope: Scope) -> bool:
    """By Channels' own session and user, without its wrapper around each message sent."""
    resolved: Scope = {}

    async def keep(scope: Scope, receive: Any, send: Any) -> None:
        resolved.update(scope)

    await AuthMiddlewareStack(keep)(scope, None, None)
    return bool(resolved["user"].is_authenticated)


def _token(scope: Scope) -> str | None:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "token":
        return token.strip()
    tokens = parse_qs(scope["query_string"].decode("latin-1")).get("token")
    return tokens[0] if tokens else None


def _is_valid(token: str) -> bool:
    try:
        user, _ = TokenAuthentication().authenticate_credentials(token)
    except AuthenticationFailed:
        return False
    return bool(user.is_active)
