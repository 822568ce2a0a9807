"""Hosts of the exchange that are allowed: Binance's Spot Testnet and loopback.

For files of past klines, and for nothing else, the host of Binance's public archives. Source:
Binance Spot Testnet, "General Info"; Binance Public Data. Production hosts end in
`.binance.vision` just like the testnet's, so names are compared whole, never by their ending.
"""

import re
from collections.abc import Set

TESTNET_HOSTS = frozenset(
    {
        "testnet.binance.vision",
        "api1.testnet.binance.vision",
        "stream.testnet.binance.vision",
        "ws-api.testnet.binance.vision",
    }
)
ARCHIVE_HOSTS = frozenset({"data.binance.vision"})
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
TESTNET_PORTS = frozenset({443, 9443})
ARCHIVE_PORTS = frozenset({443})
ENCRYPTED = {"https", "wss"}
MAX_PORT = 65_535
# The whole of an address. What parsers read differently from each other (a user name, a backslash,
# an escape, a `..`) is no part of it, so every client connects to the host that was checked.
ADDRESS = re.compile(
    r"(?P<scheme>https?|wss?)://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[::1\])\.?"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/[a-z0-9_-]*)*",
    re.ASCII | re.IGNORECASE,
)


def url_error(url: str) -> str | None:
    """The reason why `url` must not be used as an exchange address, or None where it may.

    The whole text counts: `https://testnet.binance.vision@api.binance.com/` is production.
    """
    unencrypted = "the testnet is spoken to over https or wss, on port 443 or 9443"
    return _address_error(url, TESTNET_HOSTS, ENCRYPTED, TESTNET_PORTS, unencrypted)


def archive_url_error(url: str) -> str | None:
    """The reason why no files may be fetched from `url`, or None where they may."""
    unencrypted = "the archives are fetched over https, on port 443"
    if url.lower().startswith("ws"):
        return unencrypted
    return _address_error(url, ARCHIVE_HOSTS, {"https"}, ARCHIVE_PORTS, unencrypted)


def _address_error(
    url: str, hosts: Set[str], schemes: Set[str], ports: Set[int], unencrypted: str
) -> str | None:
    allowed = f"only {', '.join(sorted(hosts))} and loopback are allowed"
    found = ADDRESS.fullmatch(url)
    if found is None:
        return f"not a plain scheme://host:port/path; {allowed}"
    scheme, host, port = found["scheme"].lower(), found["host"].lower().strip("[]"), found["port"]
    if port is not None and not 0 < int(port) <= MAX_PORT:
        return f"there is no port {port}"
    if host in LOOPBACK_HOSTS:
        return None
    if host not in hosts:
        return allowed
    if scheme in schemes and (port is None or int(port) in ports):
        return None
    return unencrypted
