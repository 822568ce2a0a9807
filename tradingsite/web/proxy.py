"""Requests through a proxy: the scheme, host and client address that the browser's side had.

Only what a trusted proxy says of them counts (TRUSTED_PROXY); forwarded headers of anybody else are
taken off. A proxy that passes the public host on and ends TLS without a word counts as https, for
PUBLIC_URL says so (docs/decisions/0023).
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network
Scope = dict[str, Any]
Application = Callable[[Any, Any, Any], Awaitable[None]]

FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto")
SCHEMES = {"http": {"http": "http", "https": "https"}, "websocket": {"http": "ws", "https": "wss"}}


class PublicAddress(NamedTuple):
    """The address that browsers know the site by; `netloc` names the port where it isn't the
    scheme's own.
    """

    scheme: str
    netloc: str

    @classmethod
    def of_url(cls, url: str) -> "PublicAddress":
        parts = urlsplit(url)
        return cls(parts.scheme, parts.netloc)


class BehindProxy:
    """An ASGI application whose `application` sees requests as they reached the proxy."""

    def __init__(
        self, application: Application, proxies: Sequence[Network], public: PublicAddress | None
    ) -> None:
        self._application = application
        self._proxies = proxies
        self._public = public

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        await self._application(self.resolved(scope), receive, send)

    def resolved(self, scope: Scope) -> Scope:
        """`scope` with the scheme, host and client address of the browser's side."""
        said = _said(scope["headers"])
        headers = [(name, value) for name, value in scope["headers"] if name not in FORWARDED]
        client = scope.get("client") or ("", 0)
        if not self._is_proxy(client[0]):
            return {**scope, "headers": headers}
        if (address := self._client_address(said.get(b"x-forwarded-for", b""))) is not None:
            client = (address, 0)
        public = self._public
        if public is None:
            scheme = _last(said.get(b"x-forwarded-proto", b""))
            return {**scope, "headers": headers, "client": client, **_schemed(scope, scheme)}
        if said.get(b"host") != public.netloc.encode() and not said.keys() & set(FORWARDED):
            return {**scope, "headers": headers}  # a program beside us, not through the proxy
        scheme = _last(said.get(b"x-forwarded-proto", b"")) or public.scheme
        headers = [(name, value) for name, value in headers if name != b"host"]
        headers.append((b"host", public.netloc.encode()))
        return {**scope, "headers": headers, "client": client, **_schemed(scope, scheme)}

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:  # a Unix socket has none
            return False
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed  # of a socket that takes both kinds
        return any(parsed in network for network in self._proxies)

    def _client_address(self, forwarded: bytes) -> str | None:
        """The last address that is no proxy of ours: what stands before it anybody may have
        written.
        """
        addresses = [one.strip() for one in forwarded.decode("latin-1").split(",")]
        for address in reversed(addresses):
            try:
                ip_address(address)
            except ValueError:
                return None
            if not self._is_proxy(address):
                return address
        return None


def _said(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The host and what was forwarded; lines of one name as one list, as HTTP reads them."""
    said: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in (*FORWARDED, b"host"):
            said[name] = said[name] + b"," + value if name in said else value
    return said


def _last(values: bytes) -> str:
    return values.decode("latin-1").rpartition(",")[2].strip().lower()


def _schemed(scope: Scope, scheme: str) -> Scope:
    """The scheme as ASGI spells it for that type of connection; nothing for a strange one."""
    spelled = SCHEMES.get(scope["type"], {}).get(scheme)
    return {"scheme": spelled} if spelled else {}
