"""Many at once against a real daphne: every read, every write, every check."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis

from accounts.services import create_token
from foundation.times import now_ms
from market.models import Symbol
from orders.models import Adjustment, Halt
from strategies.models import Strategy
from tests.builders import strategy, tick
from tests.clients import schema, staff
from tests.rows import position, write_stream
from tests.servers import HANG_S, Sandbox
from tests.tradingsite.web import Web
from tradingsite.rest.health_checks import HealthCheck, run_checks
from tradingsite.rest.shared import SharedAnswer

AT_ONCE = 6
BODY = {"sma_period": 10, "ema_period": 5, "stop_loss": "0.1"}


def at_once(*asks: Callable[[], Any], times: int = 1) -> list[Any]:
    """What all of `asks` answer, AT_ONCE threads asking all of them `times` over."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(ask) for _ in range(times) for ask in asks * AT_ONCE]
        return [each.result(HANG_S) for each in waiting]


def reads(web: Web) -> Sequence[Callable[[], requests.Response]]:
    paths = [path for path, methods in schema()["paths"].items() if "get" in methods]
    known = [path.format(symbol="BTCUSDT", name="A") for path in paths]
    return [lambda path=path: requests.get(web.url + path, timeout=HANG_S) for path in known]


def writer(name: str = "stefan") -> dict[str, str]:
    return {"Authorization": f"Token {create_token(staff(name))}"}


def test_every_read_is_answered_to_many_at_once(web: Web, redis: Redis) -> None:
    strategy("A")
    write_stream(redis, [tick("61000", time_ms=now_ms())])
    answers = at_once(*reads(web), times=3)
    wrong = Counter((one.url, one.status_code) for one in answers if one.status_code != 200)
    # Nothing trades here, so /health says what is missing; every part has answered, though.
    assert {url for url, _ in wrong} <= {f"{web.url}/health"}
    for one in answers:
        if one.url.endswith("/health"):
            assert one.status_code == 503
            assert "no answer" not in one.text


def test_one_strategy_made_by_many_at_once_is_made_once(web: Web) -> None:
    headers = writer()

    def make(name: str) -> requests.Response:
        body = {"name": name, **BODY}
        return requests.post(f"{web.url}/strategy", json=body, headers=headers, timeout=HANG_S)

    for name in ("one", "two", "three"):
        answers = at_once(lambda name=name: make(name))
        assert Counter(one.status_code for one in answers) == {201: 1, 400: AT_ONCE - 1}
        refusals = [one.json()["detail"] for one in answers if one.status_code == 400]
        assert all("is taken" in detail for detail in refusals)
    assert Strategy.objects.count() == 3


def test_changes_of_one_strategy_at_once_are_all_kept(web: Web) -> None:
    strategy("A", sma_period=10, ema_period=5)
    headers = writer()

    def change(**fields: Any) -> Callable[[], requests.Response]:
        url = f"{web.url}/strategy/A"
        return lambda: requests.patch(url, json=fields, headers=headers, timeout=HANG_S)

    answers = at_once(change(sma_period=20), change(ema_period=7), change(stop_loss="0.2"))
    assert {one.status_code for one in answers} == {200}
    kept = Strategy.objects.get()
    assert (kept.sma_period, kept.ema_period, str(kept.stop_loss)) == (20, 7, "0.2")


def test_halts_and_unfollowing_at_once_are_all_answered(web: Web) -> None:
    headers = writer()

    def halt() -> requests.Response:
        body = {"level": "no_entries"}
        return requests.post(f"{web.url}/halt", json=body, headers=headers, timeout=HANG_S)

    def unfollow() -> requests.Response:
        return requests.delete(f"{web.url}/symbols/ETHUSDT", headers=headers, timeout=HANG_S)

    assert {one.status_code for one in at_once(halt, unfollow)} == {200}
    assert Halt.objects.count() == AT_ONCE


@pytest.fixture
def web_on_sandbox(
    symbols: list[Symbol], redis: Redis, sandbox: Sandbox, tmp_path: Path
) -> Iterator[Web]:
    server = Web(tmp_path, None, **sandbox.environment)
    yield server
    server.stop()


def test_a_symbol_followed_by_many_at_once_is_one(web_on_sandbox: Web) -> None:
    web, headers = web_on_sandbox, writer()

    def follow(name: str) -> Callable[[], requests.Response]:
        url = f"{web.url}/symbols/{name}"
        return lambda: requests.post(url, headers=headers, timeout=HANG_S)

    Symbol.objects.all().delete()  # so that each is made anew
    answers = at_once(follow("BTCUSDT"), follow("ethusdt"), follow("NOPEUSDT"))
    assert Counter(one.status_code for one in answers) == {200: 2 * AT_ONCE, 404: AT_ONCE}
    assert all(one.json()["error"] == "unknown_symbol" for one in answers if not one.ok)
    followed = Symbol.objects.followed().values_list("name", flat=True)
    assert sorted(followed) == ["BTCUSDT", "ETHUSDT"]


def test_a_position_written_off_by_many_at_once_is_written_off_once(web: Web) -> None:
    headers = writer()
    held = position(Symbol.objects.get(name="BTCUSDT"))

    def write_off(**fields: Any) -> Callable[[], requests.Response]:
        body = {"position": held.pk, "reason": "delisted", **fields}
        url = f"{web.url}/adjustments"
        return lambda: requests.post(url, json=body, headers=headers, timeout=HANG_S)

    answers = at_once(write_off(quantity="0.0003"), write_off())
    statuses = Counter(one.status_code for one in answers)
    assert set(statuses) == {200, 409}
    assert all(one.json()["error"] == "conflict" for one in answers if not one.ok)
    written_off = [one.quantity for one in Adjustment.objects.all()]
    assert (len(written_off), sum(written_off)) == (statuses[200], held.quantity)
    held.refresh_from_db()
    assert held.quantity == 0


def test_an_answer_that_costs_much_is_worked_out_once_for_all_who_ask_meanwhile() -> None:
    asked, worked_out = threading.Barrier(AT_ONCE + 1), []

    def work_out() -> int:
        worked_out.append(1)
        time.sleep(0.2)  # the others come meanwhile; on any machine, fewer than each its own
        return 42

    answer = SharedAnswer(work_out)

    def ask() -> int:
        asked.wait(HANG_S)
        return answer.get()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(ask) for _ in range(AT_ONCE)]
        asked.wait(HANG_S)
        assert {each.result(HANG_S) for each in waiting} == {42}
    assert len(worked_out) < AT_ONCE


def test_a_failure_is_that_of_all_who_waited_and_of_no_later_one() -> None:
    outcomes = iter([ValueError("no"), None])

    def work_out() -> int:
        if (failure := next(outcomes)) is not None:
            raise failure
        return 1

    answer = SharedAnswer(work_out)
    with pytest.raises(ValueError, match="no"):
        answer.get()
    assert answer.get() == 1


def test_every_asker_gets_the_report_of_a_check_that_it_waited_for() -> None:
    def part() -> dict[str, Any]:
        time.sleep(0.001)
        return {}

    checks = {name: HealthCheck(part) for name in "abc"}
    reports = at_once(lambda: run_checks(checks), times=100)
    assert all(part == {"ok": True} for report in reports for part in report.values())


def test_a_content_type_that_names_no_charset_of_text_is_answered(web: Web) -> None:
    for charset in ("base64", "idna", "undefined", "rot13", "utf-16"):
        headers = {"Content-Type": f"application/json; charset={charset}", **writer(charset)}
        url = f"{web.url}/trades?limit=%31"
        assert requests.get(url, headers=headers, timeout=HANG_S).status_code == 200
        body = b'{"level": "off"}'
        made = requests.post(f"{web.url}/halt", body, headers=headers, timeout=HANG_S)
        assert made.status_code == 200


def test_a_body_without_end_is_refused_while_it_comes(web: Web) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", web.port), timeout=HANG_S) as client:
        head = "POST /halt HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n"
        client.sendall(head.encode())
        with suppress(OSError):  # the connection is closed
            while sent < 500:
                client.sendall(b"x" * 1_000_000)
                sent += 1
    assert sent < 100  # megabytes: what sockets hold besides
    assert requests.get(f"{web.url}/halt", timeout=HANG_S).status_code == 200
