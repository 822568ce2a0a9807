"""Authentication of sockets: open where PUBLIC_READ, else for users and holders of a token."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from channels.db import database_sync_to_async
from django.conf import settings
from django.http import parse_cookie
from django.http.request import validate_host
from rest_framework.exceptions import Throttled

from accounts.authentication import check_brake, count_wrong_token
from accounts.services import Credential, of_token, valid

Scope = dict[str, Any]
USUAL_PORTS = {"http": 80, "https": 443}
PAGE_SCHEMES = {"ws": "http", "wss": "https"}


def has_known_origin(scope: Scope) -> bool:
    """True where the page that opened the socket is ours; programs send no origin.

    Browsers let any page open a socket to any host, cookies included, so it is for us to ask. Ours
    are pages of the very address that the socket is opened at, port and scheme included, and on
    WS_PORT those of PORT.
    """
    headers = dict(scope["headers"])
    origin = headers.get(b"origin")
    if origin is None:
        return True
    try:
        page, host = urlsplit(origin.decode("latin-1")), _host(headers)
        ports = {host.port or _usual_port(scope), _page_port(scope)}
        return (
            page.scheme == PAGE_SCHEMES.get(scope.get("scheme", "ws"))
            and page.hostname == host.hostname
            and (page.port or USUAL_PORTS[page.scheme]) in ports
            and validate_host(_bracketed(page.hostname or ""), settings.ALLOWED_HOSTS)
        )
    except (ValueError, KeyError):
        return False


def _host(headers: dict[bytes, bytes]) -> Any:
    return urlsplit(f"//{headers.get(b'host', b'').decode('latin-1')}")


def _usual_port(scope: Scope) -> int:
    return USUAL_PORTS[PAGE_SCHEMES[scope.get("scheme", "ws")]]


def _page_port(scope: Scope) -> int | None:
    """The port of our pages, for a socket on WS_PORT that came past no proxy."""
    return None if scope.get("scheme") == "wss" else int(settings.PORT)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def credential(scope: Scope) -> Credential | None:
    """Credential that the socket shows: `Authorization: Token …`, `?token=…`, else the
    session's cookie.
    """
    headers: dict[bytes, bytes] = dict(scope["headers"])
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "token":
        return of_token(token.strip())
    if tokens := parse_qs(scope["query_string"].decode("latin-1")).get("token"):
        return of_token(tokens[0])
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    session = cookies.get(settings.SESSION_COOKIE_NAME, "")
    return Credential("session", session) if session and session.isprintable() else None


async def may_read(scope: Scope) -> bool:
    """Asks the database whether what the socket shows lets it in."""
    shown = credential(scope)
    if shown is None:
        return False
    return bool(await database_sync_to_async(_is_valid, thread_sensitive=False)(shown, scope))


def _is_valid(shown: Credential, scope: Scope) -> bool:
    address = (scope.get("client") or ("",))[0]
    if shown.kind == "session":
        return bool(valid([shown]))
    try:
        check_brake(address)
    except Throttled:
        return False
    if valid([shown]):
        return True
    count_wrong_token(address)
    return False
