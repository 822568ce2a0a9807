import csv
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from pytest_django import DjangoAssertNumQueries
from redis import Redis

from market.models import Symbol
from orders.core.status import OrderStatus
from orders.models import Halt, Trade
from orders.representation import halt_json, order_json, trade_json
from tests.builders import symbol
from tests.clients import (
    promised,
    redis_away,
    refused,
    staff,
    stranger,
    user,
    with_session,
    with_token,
)
from tests.rows import at, order, position, trade

pytestmark = pytest.mark.django_db


@pytest.fixture
def btc() -> Symbol:
    return symbol("BTCUSDT")


@pytest.fixture
def traded(btc: Symbol) -> list[Trade]:
    """Strategy A bought twice and sold once, B bought ETH."""
    held = position(btc)
    orders = [order(btc, 1), order(btc, 2), order(btc, 3, side="SELL")]
    eth = symbol("ETHUSDT")
    orders.append(order(eth, 4, strategy="B"))
    places = [held, held, held, position(eth, "B")]
    return [
        trade(of, place, number)
        for number, (of, place) in enumerate(zip(orders, places, strict=True), 1)
    ]


def ask(path: str, query: str = "") -> Any:
    return promised(stranger().get(f"{path}?{query}"), path)


def test_an_order_comes_with_every_state_it_was_in(btc: Symbol) -> None:
    made = order(btc, stop_loss=Decimal("0.150"), exchange_order_id=2**40)
    [answered] = ask("/orders")["results"]
    assert answered == order_json(made)
    assert [change["status"] for change in answered["changes"]] == ["PENDING", "FILLED"]
    assert (answered["quantity"], answered["stop_loss"]) == ("0.001", "0.15")
    assert answered["created_at"] == "2026-01-02T12:01:00.000Z"


def test_a_trade_names_its_order_and_its_position(traded: list[Trade]) -> None:
    newest = ask("/trades")["results"][0]
    assert newest == trade_json(traded[3])
    assert newest["client_order_id"] == "test-4"
    assert (newest["position"], newest["commission"]) == (traded[3].position_id, "0.06")


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [4, 3, 2, 1]),
        ("symbol=BTCUSDT", [3, 2, 1]),
        ("symbol=ethusdt", [4]),
        ("strategy=A", [3, 2, 1]),
        ("strategy=nobody", []),
        ("side=SELL", [3]),
        ("start=2026-01-02T12:02:00Z&end=2026-01-02T12:03:00Z", [3, 2]),
    ],
)
def test_trades_and_orders_are_filtered_alike(
    traded: list[Trade], query: str, numbers: list[int]
) -> None:
    trades = ask("/trades", query)["results"]
    assert [one["trade_id"] for one in trades] == numbers
    orders = ask("/orders", query)["results"]
    assert [one["client_order_id"] for one in orders] == [f"test-{number}" for number in numbers]


def test_orders_are_filtered_by_status(btc: Symbol) -> None:
    order(btc, 1, status=OrderStatus.DENIED)
    order(btc, 2)
    assert [one["status"] for one in ask("/orders", "status=DENIED")["results"]] == ["DENIED"]


@pytest.mark.parametrize("minutes", [range(7), [0] * 7])  # one after the other, or all at once
def test_pages_follow_one_another_without_a_gap_or_a_repetition(
    btc: Symbol, minutes: list[int]
) -> None:
    for number, minute in enumerate(minutes):
        order(btc, number, created_at=at(minute))
    page, seen = ask("/orders", "limit=3"), []
    while True:
        seen += [one["client_order_id"] for one in page["results"]]
        if page["next"] is None:
            break
        page = promised(stranger().get(page["next"]), "/orders")
    assert seen == [f"test-{number}" for number in reversed(range(7))]
    back = promised(stranger().get(page["previous"]), "/orders")
    assert [one["client_order_id"] for one in back["results"]] == seen[3:6]


def test_a_page_takes_as_many_queries_for_ten_orders_as_for_one(
    btc: Symbol, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(10):
        order(btc, number)
    with django_assert_num_queries(2):
        ask("/orders")


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        ("/orders", "limit=0", "limit='0'"),
        ("/orders", "limit=1001", "limit='1001'"),
        ("/orders", "cursor=rubbish", "cursor='rubbish'"),
        ("/orders", "status=LOST", "status='LOST': use one of PENDING"),
        ("/trades", "side=buy", "side='buy': use one of BUY, SELL"),
        ("/trades", "format=xml", "format='xml'"),
        ("/trades", "end=soon", "end='soon'"),
        ("/trades", "symbols=BTCUSDT", "symbols='BTCUSDT': no such parameter"),
        ("/halt", "level=off", "no such parameter"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(path: str, query: str, named: str) -> None:
    assert named in refused(stranger().get(f"{path}?{query}"), 400, "bad_parameter")


def test_a_filter_for_an_unknown_symbol_is_not_found() -> None:
    refused(stranger().get("/trades?symbol=NOPE"), 404, "unknown_symbol")


def test_trades_as_csv_are_all_of_them_and_the_same_as_in_json(traded: list[Trade]) -> None:
    async def read(response: Any) -> bytes:
        return b"".join([part async for part in response])

    response = stranger().get("/trades?format=csv&limit=1&strategy=A")
    assert response["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(async_to_sync(read)(response).decode().splitlines()))
    page = ask("/trades", "strategy=A")["results"]
    assert rows == [{name: str(value) for name, value in one.items()} for one in page]


def test_before_the_first_halt_it_is_off() -> None:
    assert ask("/halt") == halt_json(None)
    assert ask("/halt")["level"] == "off"


def test_staff_set_the_halt_with_a_token(redis: Redis) -> None:
    client = with_token(staff())
    body = {"level": "no_entries", "reason": "news"}
    answer = promised(client.post("/halt", body, format="json"), "/halt", "post")
    assert (answer["level"], answer["reason"], answer["by"]) == ("no_entries", "news", "stefan")
    assert ask("/halt") == answer
    assert Halt.objects.count() == 1


def test_a_session_needs_its_csrf_token(redis: Redis) -> None:
    client = with_session(staff())
    assert "CSRF" in refused(client.post("/halt", {"level": "off"}), 403, "permission_denied")
    client.get("/admin/")  # any page of ours sets the cookie
    token = client.cookies["csrftoken"].value
    client.credentials(HTTP_X_CSRFTOKEN=token)
    assert client.post("/halt", {"level": "off"}).status_code == 200


def test_nobody_else_sets_the_halt() -> None:
    refused(stranger().post("/halt", {"level": "off"}), 401, "not_authenticated")
    refused(with_token(user()).post("/halt", {"level": "off"}), 403, "permission_denied")
    assert not Halt.objects.exists()


@pytest.mark.parametrize(
    ("body", "error", "named"),
    [
        ('{"level": "stop"}', "bad_parameter", "level='stop': use one of off, no_entries, flatten"),
        ("{}", "bad_parameter", "level: "),
        ("[1]", "bad_parameter", "dictionary"),
        ('{"level": ', "bad_json", "JSON"),
        ('{"level": "off", "reason": "%s"}' % ("x" * 201), "bad_parameter", "reason="),
    ],
)
def test_a_bad_halt_is_refused_and_changes_nothing(body: str, error: str, named: str) -> None:
    response = with_token(staff()).post("/halt", body, content_type="application/json")
    assert named in refused(response, 400, error)
    assert not Halt.objects.exists()


def test_orders_and_trades_need_no_redis(traded: list[Trade]) -> None:
    with redis_away():
        assert len(ask("/orders")["results"]) == 4
        assert len(ask("/trades")["results"]) == 4


class TestAdjustments:
    def test_a_position_is_written_off_with_a_reason_and_it_stands_there_who_did(
        self, btc: Symbol
    ) -> None:
        held = position(btc)
        client = with_token(staff())
        given = {"position": held.pk, "reason": "delisted"}
        answered = promised(
            client.post("/adjustments", given, format="json"), "/adjustments", "post"
        )
        assert (answered["quantity"], answered["cost"], answered["by"]) == ("0.001", "60", "stefan")
        assert ask("/adjustments", "kind=write_off&symbol=BTCUSDT")["results"] == [answered]
        refused(client.post("/adjustments", given, format="json"), 409, "conflict")

    @pytest.mark.parametrize(
        "wrong", [{"reason": ""}, {"position": "x"}, {"quantity": "NaN"}, {"quantity": "1e-99"}]
    )
    def test_what_is_wrong_is_refused_by_name(self, btc: Symbol, wrong: dict[str, str]) -> None:
        given = {"position": position(btc).pk, "reason": "delisted", **wrong}
        client = with_token(staff())
        text = refused(client.post("/adjustments", given, format="json"), 400, "bad_parameter")
        assert next(iter(wrong)) in text

    def test_who_may_not_write_it_off_does_not(self, btc: Symbol) -> None:
        given = {"position": position(btc).pk, "reason": "delisted"}
        for client in (with_token(user()), with_token(staff("sam", "add_halt"))):
            assert client.post("/adjustments", given, format="json").status_code == 403
