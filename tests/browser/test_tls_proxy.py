"""The site behind a real proxy that ends TLS, in a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket
from django.contrib.auth.models import User
from playwright.sync_api import Browser, expect

from accounts.services import create_token
from tests.servers import HANG_S, free_port
from tests.tls_proxy import TlsProxy
from tests.tradingsite.web import Web

PASSWORD = "decides-things"
Public = tuple[str, Web, TlsProxy]


@pytest.fixture(params=["forwards", "host of its own", "passes bytes"])
def public(history: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Public]:
    """The public address, and what is behind it: a proxy that forwards as it should, one that also
    puts its own Host there, and one that ends TLS and says nothing.
    """
    port = free_port()
    host = f"127.0.0.1:{port}" if request.param == "host of its own" else ""
    proxy = TlsProxy(tmp_path, port, forwards=request.param != "passes bytes", host=host)
    url = f"https://localhost:{proxy.port}"
    web = Web(tmp_path, port, PUBLIC_URL=url, TRUSTED_PROXY="127.0.0.1", PUBLIC_READ="false")
    User.objects.create_superuser("boss", password=PASSWORD)
    yield url, web, proxy
    web.stop()
    proxy.close()


def test_a_browser_signs_in_and_gets_the_live_page(public: Public, chromium: Browser) -> None:
    url = public[0]
    context = chromium.new_context(ignore_https_errors=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(url)
    page.fill("#id_username", "boss")
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_selector("body[data-connection=live]", timeout=HANG_S * 1000)
    assert page.url == f"{url}/"
    cookies = {cookie["name"]: cookie for cookie in context.cookies()}
    assert cookies["sessionid"]["secure"]
    assert cookies["csrftoken"]["secure"]
    page.click("#halt [value=no_entries]")  # a write by session, with its CSRF token
    expect(page.locator("#halt-since")).to_contain_text("boss")
    assert complaints == []
    context.close()


def test_links_and_headers_are_those_of_the_public_address(public: Public) -> None:
    url, web, proxy = public
    boss = {"Authorization": f"Token {create_token(User.objects.get())}"}
    ask = asker(proxy)
    answer = ask(f"{url}/candles/BTCUSDT", headers=boss)
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert ask(f"{url}/").headers["Location"].startswith("/admin/login/")
    plain = requests.get(f"{web.url}/admin/", allow_redirects=False, timeout=HANG_S)
    assert plain.headers["Location"] == f"{url}/admin/"
    assert requests.get(f"{web.url}/health", timeout=HANG_S).status_code == 503  # not sent away


def test_sockets_are_opened_by_pages_of_the_public_address_alone(public: Public) -> None:
    url, _, proxy = public
    token = create_token(User.objects.get())
    address = url.replace("https", "wss") + f"/ws/?token={token}"
    options: Any = {"sslopt": {"ca_certs": str(proxy.certificate)}, "timeout": HANG_S}
    websocket.create_connection(address, origin=url, **options).close()
    other = [
        url.replace("https", "http"),
        "https://localhost",
        f"https://evil.example:{proxy.port}",
    ]
    for origin in other:
        with pytest.raises(websocket.WebSocketBadStatusException):
            websocket.create_connection(address, origin=origin, **options)


def asker(proxy: TlsProxy) -> Callable[..., requests.Response]:
    session = requests.Session()
    session.verify, session.trust_env = str(proxy.certificate), False

    def ask(url: str, **options: object) -> requests.Response:
        return session.get(url, allow_redirects=False, timeout=HANG_S, **options)  # type: ignore[arg-type]

    return ask
