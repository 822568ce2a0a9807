"""Requests through a proxy, and the settings of a public site."""

import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.servers import ROOT
from tests.test_settings import complaint, values
from tradingsite.web.proxy import BehindProxy, PublicAddress

PUBLIC = PublicAddress.of_url("https://trading.example:8443")
PROXY, CLIENT = "10.0.0.1", "203.0.113.5"


async def nothing(*_: Any) -> None:
    """An application."""


def resolved(
    peer: str = PROXY,
    public: PublicAddress | None = PUBLIC,
    host: str = "trading.example:8443",
    **headers: str,
) -> tuple[str, str, str]:
    """Scheme, host and client address of a socket's request that came from `peer`."""
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "websocket", "scheme": "ws", "client": (peer, 1),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }  # fmt: skip
    proxy = BehindProxy(nothing, [ip_network("10.0.0.0/8")], public)
    seen = proxy.resolved(scope)
    assert not any(name.startswith(b"x-forwarded") for name, _ in seen["headers"])
    [found] = [value.decode() for name, value in seen["headers"] if name == b"host"]
    return seen["scheme"], found, seen["client"][0]


def test_a_trusted_proxy_says_who_asks_and_how() -> None:
    said: Any = {"x_forwarded_for": CLIENT, "x_forwarded_proto": "https"}
    assert resolved(**said) == ("wss", "trading.example:8443", CLIENT)
    assert resolved(host="127.0.0.1:8000", **said) == ("wss", "trading.example:8443", CLIENT)
    assert resolved(public=None, host="x", **said) == ("wss", "x", CLIENT)


def test_a_proxy_that_says_nothing_has_the_public_scheme() -> None:
    assert resolved() == ("wss", "trading.example:8443", PROXY)
    assert resolved(x_forwarded_for=CLIENT)[0] == "wss"
    assert resolved(x_forwarded_proto="http", x_forwarded_for=CLIENT)[0] == "ws"


def test_nobody_else_is_believed() -> None:
    said: Any = {"x_forwarded_for": "127.0.0.1", "x_forwarded_proto": "https"}
    assert resolved(CLIENT, **said) == ("ws", "trading.example:8443", CLIENT)


def test_the_last_address_that_is_no_proxy_of_ours_counts() -> None:
    assert resolved(x_forwarded_for=f"127.0.0.1, {CLIENT}, 10.0.0.7")[2] == CLIENT
    assert resolved(x_forwarded_for=f"{CLIENT}, nonsense")[2] == PROXY
    assert resolved(f"::ffff:{PROXY}", x_forwarded_for=CLIENT)[2] == CLIENT


def test_lines_of_one_header_are_one_list() -> None:
    """As two proxies write them that each add a line of their own."""
    lines = [(b"host", b"x"), *((b"x-forwarded-for", one) for one in (b"1.1.1.1", b"10.0.0.7"))]
    scope = {"type": "http", "scheme": "http", "client": (PROXY, 1), "headers": lines}
    proxy = BehindProxy(nothing, [ip_network("10.0.0.0/8")], None)
    assert proxy.resolved(scope)["client"] == ("1.1.1.1", 0)


def test_a_program_beside_us_is_what_it_seems() -> None:
    assert resolved(host="127.0.0.1:8000") == ("ws", "127.0.0.1:8000", PROXY)


@pytest.mark.parametrize(
    "url",
    ["trading.example", "ftp://x", "https://", "https://a/b", "https://a?b", "https://u@a",
     "https://a:99999", "https://a b", "https://a:", "//a"],
)  # fmt: skip
def test_a_public_url_that_is_none_is_refused(url: str) -> None:
    assert complaint({"PUBLIC_URL": url}).startswith(f"PUBLIC_URL={url!r}")


def test_a_public_url_is_spelt_as_browsers_do() -> None:
    url = {"PUBLIC_URL": "HTTPS://Trading.Example:443/"}
    assert values(url, "PUBLIC_URL", "CSRF_TRUSTED_ORIGINS", "PUBLIC_READ") == [
        "https://trading.example",
        "['https://trading.example']",
        "False",
    ]


def test_settings_that_would_open_doors_are_refused() -> None:
    secret = {"BIND": "0.0.0.0", "SECRET_KEY": "x" * 50}  # noqa: S104
    url = {"PUBLIC_URL": "https://trading.example"}
    assert complaint({"TRUSTED_PROXY": "nginx"}).startswith("TRUSTED_PROXY='nginx'")
    assert complaint({**secret, **url}).startswith("TRUSTED_PROXY=''")
    for public in (secret, url, {"ALLOWED_HOSTS": "trading.example"}):
        assert complaint({"DEBUG": "true", **public}).startswith("DEBUG='true'")
    assert values({"DEBUG": "true"}, "DEBUG") == ["True"]


@pytest.mark.processes
def test_a_site_set_up_as_the_documentation_says_is_deployed_without_a_warning(
    tmp_path: Path,
) -> None:
    environment = {
        "PUBLIC_URL": "https://trading.example",
        "SECRET_KEY": "eFv7#k!29_ms(xq0w@l5&t1z8^r4*bn6c+ydo3ghjpaui2se%k",
        "VAR_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr
