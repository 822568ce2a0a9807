"""Hosts of the exchange that are allowed: Binance's Spot Testnet and loopback.

Source: Binance Spot Testnet, "General Info". Two production hosts end in `.binance.vision`
just like the testnet's, so names are compared whole, never by their ending.
"""

from urllib.parse import urlsplit

TESTNET_HOSTS = frozenset(
    {
        "testnet.binance.vision",
        "api1.testnet.binance.vision",
        "stream.testnet.binance.vision",
        "ws-api.testnet.binance.vision",
    }
)
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
TESTNET_PORTS = frozenset({None, 443, 9443})
ENCRYPTED = {"https", "wss"}
PLAIN = {"http", "ws"}


def url_error(url: str) -> str | None:
    """The reason why `url` must not be used as an exchange address, or None where it may.

    The parsed host counts: `https://testnet.binance.vision@api.binance.com/` is production.
    """
    allowed = f"only {', '.join(sorted(TESTNET_HOSTS))} and loopback are allowed"
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return f"not a URL; {allowed}"
    if parts.username is not None or parts.password is not None:
        return f"a URL with a user name hides its host; {allowed}"
    if parts.query or parts.fragment:
        return "give the address without ? and #"
    if host in LOOPBACK_HOSTS and parts.scheme in ENCRYPTED | PLAIN:
        return None
    if host in TESTNET_HOSTS and parts.scheme in ENCRYPTED and port in TESTNET_PORTS:
        return None
    if host in TESTNET_HOSTS:
        return "the testnet is spoken to over https or wss, on port 443 or 9443"
    return allowed
