from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3.util import parse_url

from market.hosts import ADDRESS, TESTNET_HOSTS, archive_url_error, url_error

PRODUCTION = [
    "api.binance.com",
    "api-gcp.binance.com",
    *(f"api{number}.binance.com" for number in range(1, 5)),
    "data-api.binance.vision",
    "data.binance.vision",
    "data-stream.binance.vision",
    *(f"{name}.binance.com" for name in ("stream", "stream-sbe", "ws-api")),
    *(f"fix-{name}.binance.com" for name in ("oe", "dc", "md")),
    *(f"demo-{name}.binance.com" for name in ("api", "ws-api", "stream", "stream-sbe")),
    *(f"{name}.binance.com" for name in ("fapi", "dapi", "eapi", "papi", "fstream", "dstream")),
    *(f"{name}.binance.com" for name in ("ws-fapi", "ws-dapi", "nbstream", "www")),
    "testnet.binancefuture.com",
    "stream.binancefuture.com",
    "api.binance.us",
    "stream.binance.us",
]
TRICKS = [
    "https://testnet.binance.vision@api.binance.com/",
    "https://testnet.binance.vision:443@api.binance.com/",
    "https://user:word@testnet.binance.vision/",
    "https://testnet.binance.vision\\@api.binance.com/",
    "https://api.binance.com#testnet.binance.vision",
    "https://api.binance.com?testnet.binance.vision",
    "https://api.binance.com/testnet.binance.vision",
    "https://testnet.binance.vision.api.binance.com",
    "https://eviltestnet.binance.vision",
    "https://testnet.binance.vision.example.org",
    "https://binance.vision",
    "https://www.testnet.binance.vision",
    "https://127.0.0.1.example.org",
    "https://%61pi.binance.com",
    "http://127.0.0.1@api.binance.com",
    "//api.binance.com",
    "api.binance.com",
    "ftp://testnet.binance.vision",
    "file:///etc/passwd",
    "http://[::1",
    "",
    "http://127.0.0.2:9090\\[::1]/..",
    "http://127.0.0.2\\@127.0.0.1/",
    "http://127.0.0.1\\.example.org/",
    "http://127.0.0.1:9090/../..@example.org",
    "http://127.0.0.1:9090;@example.org",
    "http://127.0.0.1 @example.org",
    "http://127.0.0.1\t.example.org",
    "http://127.0.0.1\n",
    "\nhttp://127.0.0.1",
    "http://127.0.0.1%00.example.org",
    "http://127.0.0.1%2eexample.org",
    "http://127.0.0.1:80:90",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:0",
    "http://127.0.0.1:-1",
    "http://127.0.0.1:\uff18\uff10",
    "http://\uff11\uff12\uff17.0.0.1",
    "http://127.0.0.1\u3002example.org",
    "http://[::ffff:8.8.8.8]",
    "http://[::1]example.org",
    "http://[::1%25lo]:9090",
    "http:/127.0.0.1",
    "http:///127.0.0.1",
    "http://127.1",
    "http://0x7f000001",
    "http://2130706433",
    "wss://stream.testnet.binance.vision/%2e%2e/ws",
]


@pytest.mark.parametrize("host", PRODUCTION)
@pytest.mark.parametrize("shape", ["https://{}", "wss://{}:9443/ws", "HTTPS://{}.", "http://{}:80"])
def test_no_production_host_passes_in_any_shape(host, shape):
    assert url_error(shape.format(host))
    assert url_error(shape.format(host.upper()))


@pytest.mark.parametrize("url", TRICKS)
def test_no_trick_gets_another_host_through(url):
    assert url_error(url)


@pytest.mark.parametrize("host", sorted(TESTNET_HOSTS))
def test_the_testnet_passes_encrypted_on_its_two_ports(host):
    for url in (f"https://{host}", f"wss://{host}:9443/ws", f"https://{host.upper()}.:443/"):
        assert url_error(url) is None


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_the_testnet_is_not_spoken_to_in_the_open(scheme):
    assert "https or wss" in (url_error(f"{scheme}://testnet.binance.vision") or "")


def test_the_testnet_is_not_sought_on_other_ports():
    assert url_error("https://testnet.binance.vision:8443")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_loopback_passes_on_any_port(host):
    assert url_error(f"http://{host}:9090") is None
    assert url_error(f"ws://{host}:1/ws-api/v3") is None


@pytest.mark.parametrize(
    "url",
    [
        *TRICKS,
        *(f"https://{host}" for host in PRODUCTION if "data." not in host),
        *(f"https://{host}" for host in sorted(TESTNET_HOSTS)),
    ],
)
def test_files_are_fetched_from_no_host_but_the_archives(url):
    assert archive_url_error(url)


def test_the_archives_are_fetched_over_https_alone_and_from_loopback_anyhow():
    assert archive_url_error("https://data.binance.vision") is None
    assert archive_url_error("HTTPS://data.binance.vision.:443/") is None
    assert archive_url_error("http://127.0.0.1:8765") is None
    for url in (
        "http://data.binance.vision", "https://data.binance.vision:8443", "ws://127.0.0.1",
        "wss://data.binance.vision",
    ):  # fmt: skip
        assert "over https" in (archive_url_error(url) or "")


@given(st.text(alphabet="htps:/w.@\\[]%#?;127.0.0.1localtestnet-:9\t ", max_size=40))
@example("http://127.0.0.1:9090/api")
def test_what_passes_is_read_alike_by_every_parser(url):
    """`requests` splits addresses by urllib3, websocket-client by urllib.parse."""
    if url_error(url) is None:
        ours = ADDRESS.fullmatch(url)
        assert ours is not None
        for host in (urlsplit(url).hostname, parse_url(url).host):
            assert (host or "").strip("[]").rstrip(".") == ours["host"].lower().strip("[]")
