"""Middleware of every request: what cannot be read is left out, and pages get security headers."""

from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class ReadableCookies:
    """Requests whose cookies are text: others are left out.

    PostgreSQL fails on a NUL in a session's key, instead of not finding it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        for name, value in list(request.COOKIES.items()):
            if not (name + value).isprintable():
                del request.COOKIES[name]
        return self.get_response(request)


class SecurityHeaders:
    """The Content-Security-Policy and what goes with it, on pages, answers and errors alike."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", content_security_policy(request))
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), payment=()")
        return response


def content_security_policy(request: HttpRequest) -> str:
    """The Content-Security-Policy: all is ours. Safari takes no WebSocket for 'self'."""
    try:
        host = request.get_host()
    except DisallowedHost:  # which is being answered
        host = ""
    sockets = f" ws://{host} wss://{host}" if host else ""
    return (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self'; connect-src 'self'{sockets}"
    )
