"""HTTP proxies of the environment, for requests and sockets alike.

`http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` are read as `requests` reads them, for
`ws://` as for `http://` and for `wss://` as for `https://`. Loopback is never reached through a
proxy, which would look for it on its own machine.
"""

from typing import Any
from urllib.parse import unquote, urlsplit

from requests.utils import get_environ_proxies, select_proxy

from market.hosts import LOOPBACK_HOSTS

# websocket-client heeds `http_no_proxy` only where it is given a proxy, and else the environment.
NO_PROXY = {"http_proxy_host": "none", "http_proxy_port": 1, "http_no_proxy": ["*"]}
WHATEVER_THE_ENVIRONMENT_SAYS = ["-"]
DEFAULT_PORT = 80


def proxy_of(url: str) -> str | None:
    """The proxy's URL on the way to `url`, None where the way is direct."""
    parts = urlsplit(url)
    if (parts.hostname or "").rstrip(".") in LOOPBACK_HOSTS:
        return None
    web_url = parts._replace(scheme=parts.scheme.lower().replace("ws", "http")).geturl()
    found = select_proxy(web_url, get_environ_proxies(web_url))
    return found if found is None or "://" in found else f"http://{found}"


def request_options(url: str) -> dict[str, Any]:
    """Keyword arguments for `HTTPAdapter.send`."""
    proxy = proxy_of(url)
    return {"proxies": {urlsplit(url).scheme: proxy} if proxy else {}}


def socket_options(url: str) -> dict[str, Any]:
    """Keyword arguments for websocket-client's `connect`."""
    proxy = proxy_of(url)
    if proxy is None:
        return NO_PROXY
    parts = urlsplit(proxy)
    user = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return {
        "http_proxy_host": parts.hostname,
        "http_proxy_port": parts.port or DEFAULT_PORT,
        "http_proxy_auth": user,
        "http_no_proxy": WHATEVER_THE_ENVIRONMENT_SAYS,
        "proxy_type": parts.scheme.replace("https", "http"),
    }
