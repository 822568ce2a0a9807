"""Who may look: everybody where PUBLIC_READ, else signed-in users and holders of a token."""

from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.http.request import validate_host
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

Headers = dict[bytes, bytes]


def known_origin(headers: Headers) -> bool:
    """Whether the page that opened the socket is ours; programs send no origin.

    Browsers let any page open a socket to any host, cookies included, so it is for us to ask.
    """
    if b"origin" not in headers:
        return True
    try:
        host = urlsplit(headers[b"origin"].decode("latin-1")).hostname
    except ValueError:
        return False
    if host and ":" in host:
        host = f"[{host}]"  # as ALLOWED_HOSTS writes IPv6
    return bool(host) and validate_host(str(host), settings.ALLOWED_HOSTS)


def may_read(headers: Headers, query_string: bytes) -> bool:
    """By session cookie, `Authorization: Token …` or `?token=…`. Asks the database."""
    token = _token(headers, query_string)
    if token is None:
        return _signed_in(headers)
    try:
        user, _ = TokenAuthentication().authenticate_credentials(token)
    except AuthenticationFailed:
        return False
    return bool(user.is_active)


def _token(headers: Headers, query_string: bytes) -> str | None:
    word, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if word.lower() == "token":
        return token.strip()
    tokens = parse_qs(query_string.decode("latin-1")).get("token")
    return tokens[0] if tokens else None


def _signed_in(headers: Headers) -> bool:
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return False
    key = cookies.get(settings.SESSION_COOKIE_NAME)
    if key is None:
        return False
    request: Any = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key.value)
    return bool(get_user(request).is_authenticated)
