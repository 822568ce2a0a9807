"""Order types, their filters, and cancel-and-replace over the wire. Source: protocol D.6 to D.8."""

from decimal import Decimal

import pytest

from sandbox.config import SandboxConfig
from sandbox.engine.filters import MAX_OPEN_ORDERS, MAX_TRIGGERED_ORDERS
from sandbox.engine.order_count import ORDER_LIMITS, OrderCount
from tests.sandbox.venue import Json, Venue, running

REPLACE = "/api/v3/order/cancelReplace"


def price(venue: Venue, factor: str) -> Decimal:
    """So many times the last price, on the price grid."""
    last = Decimal(venue.get("/api/v3/ticker/price", symbol="BTCUSDT")["price"])
    return (last * Decimal(factor)).quantize(Decimal("0.01"))


def limit(venue: Venue, factor: str, **params: object) -> Json:
    order = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"} | params
    return venue.place_order(price=price(venue, factor), **order).json()


def stop(venue: Venue, **params: object) -> Json:
    """A stop loss far away, in full."""
    order = {"type": "STOP_LOSS", "quantity": "0.01", "newOrderRespType": "FULL"}
    return venue.place_order(stopPrice=price(venue, "1.1"), **order, **params).json()


def replaced(venue: Venue, **params: object) -> tuple[int, Json]:
    """Status and body; the new order is a limit buy far below the market."""
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    order |= {"quantity": "0.01", "cancelReplaceMode": "STOP_ON_FAILURE"}
    price_now = price(venue, "0.85")
    answer = venue.signed_request("POST", REPLACE, **{**order, "price": price_now, **params})
    return answer.status_code, answer.json()


def test_a_stop_order_waits_off_the_book_and_can_be_cancelled(fresh_venue: Venue) -> None:
    order = stop(fresh_venue, newClientOrderId="stop-1")
    assert (order["status"], order["workingTime"], order["fills"]) == ("NEW", -1, [])
    name = {"symbol": "BTCUSDT", "origClientOrderId": "stop-1"}
    found = fresh_venue.signed_request("GET", "/api/v3/order", **name).json()
    assert (found["isWorking"], found["workingTime"]) == (False, -1)
    assert found["stopPrice"] == order["stopPrice"]
    assert [
        o["orderId"] for o in fresh_venue.signed_request("GET", "/api/v3/openOrders").json()
    ] == [order["orderId"]]
    assert (
        fresh_venue.signed_request("DELETE", "/api/v3/order", **name).json()["status"] == "CANCELED"
    )
    assert fresh_venue.ledger()["balances"]["USDT"]["locked"] == "0.00000000"


def test_the_markets_own_trades_trigger_and_fill(venue: Venue) -> None:
    factor = {"quantity": "0.001", "newOrderRespType": "FULL"}
    above = venue.place_order(type="STOP_LOSS", stopPrice=price(venue, "1.0001"), **factor).json()
    below = venue.place_order(type="TAKE_PROFIT", stopPrice=price(venue, "0.9999"), **factor).json()
    names = [{"symbol": "BTCUSDT", "orderId": order["orderId"]} for order in (above, below)]

    def ended() -> bool:
        found = [venue.signed_request("GET", "/api/v3/order", **name).json() for name in names]
        return any(order["status"] == "FILLED" and order["isWorking"] for order in found)

    while not ended():
        venue.shift_ms += 2_000


BAD_ORDERS = [
    ({"type": "STOP_LOSS", "stopPrice": "0.005"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"type": "STOP_LOSS", "stopPrice": "1.001"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"type": "STOP_LOSS", "stopPrice": "1"}, -2010, "Order would trigger immediately."),
    ({"type": "STOP_LOSS", "stopPrice": "1", "price": "1"}, -1106, "Parameter 'price' sent"),
    ({"type": "STOP_LOSS", "stopPrice": "999999", "quantity": "0.00001"}, -1013, "Filter failure"),
    ({"type": "STOP_LOSS", "stopPrice": "999999", "quantity": "95.6"}, -1013, "Filter failure"),
    ({"type": "STOP_LOSS_LIMIT", "stopPrice": "1"}, -1102, "Mandatory parameter 'timeInForce'"),
    ({"type": "TAKE_PROFIT", "trailingDelta": "9"}, -2010, "Trailing stop orders are not"),
    ({"type": "LIMIT", "stopPrice": "1", "timeInForce": "GTC", "price": "1"}, -1106, "Parameter"),
]


@pytest.mark.parametrize(("params", "code", "message"), BAD_ORDERS)
def test_a_bad_order_with_a_trigger_is_refused(
    venue: Venue, params: dict[str, str], code: int, message: str
) -> None:
    answer = venue.place_order(**{"quantity": "0.01", **params})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["msg"].startswith(message)


def test_open_orders_and_triggers_are_counted(fresh_venue: Venue) -> None:
    for _ in range(MAX_TRIGGERED_ORDERS):
        assert stop(fresh_venue)["status"] == "NEW"
    assert stop(fresh_venue) == {"code": -1013, "msg": "Filter failure: MAX_NUM_ALGO_ORDERS"}
    for _ in range(MAX_OPEN_ORDERS - MAX_TRIGGERED_ORDERS):
        fresh_venue.exchange.engine.lifecycle.order_count = OrderCount()
        assert limit(fresh_venue, "0.9")["status"] == "NEW"
    refused = {"code": -1013, "msg": "Filter failure: MAX_NUM_ORDERS"}
    assert limit(fresh_venue, "0.9") == refused


def test_all_open_orders_of_a_symbol_go_at_once(fresh_venue: Venue) -> None:
    names = [limit(fresh_venue, "0.9")["clientOrderId"] for _ in range(3)]
    gone = fresh_venue.signed_request("DELETE", "/api/v3/openOrders", symbol="BTCUSDT").json()
    assert [row["origClientOrderId"] for row in gone] == names
    assert {row["status"] for row in gone} == {"CANCELED"}
    again = fresh_venue.signed_request("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert again.json()["code"] == -2011


def test_a_cancel_may_be_restricted(venue: Venue) -> None:
    name = {"symbol": "BTCUSDT", "orderId": limit(venue, "0.9")["orderId"]}
    only = {**name, "cancelRestrictions": "ONLY_PARTIALLY_FILLED"}
    refused = venue.signed_request("DELETE", "/api/v3/order", **only).json()
    assert refused["msg"] == "Order was not canceled due to cancel restrictions."
    bad = venue.signed_request("DELETE", "/api/v3/order", **name, cancelRestrictions="NEVER").json()
    assert bad["code"] == -1145
    only["cancelRestrictions"] = "ONLY_NEW"
    assert venue.signed_request("DELETE", "/api/v3/order", **only).json()["status"] == "CANCELED"


def test_one_order_replaces_another(venue: Venue) -> None:
    old = limit(venue, "0.9", newClientOrderId="old")["orderId"]
    status, both = replaced(
        venue, cancelOrderId=old, cancelNewClientOrderId="gone", newClientOrderId="new"
    )
    assert (status, both["cancelResult"], both["newOrderResult"]) == (200, "SUCCESS", "SUCCESS")
    assert (both["cancelResponse"]["orderId"], both["cancelResponse"]["clientOrderId"]) == (
        old,
        "gone",
    )
    assert both["newOrderResponse"]["clientOrderId"] == "new"
    status, again = replaced(venue, cancelOrigClientOrderId="new")
    assert (status, again["cancelResponse"]["origClientOrderId"]) == (200, "new")


def test_a_replacement_answers_which_half_has_failed(fresh_venue: Venue) -> None:
    venue = fresh_venue
    status, none = replaced(venue, cancelOrderId=99)
    assert (status, none["code"], none["data"]["newOrderResult"]) == (400, -2022, "NOT_ATTEMPTED")
    status, half = replaced(venue, cancelOrderId=99, cancelReplaceMode="ALLOW_FAILURE")
    assert (status, half["code"]) == (409, -2021)
    assert half["data"]["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    new = half["data"]["newOrderResponse"]["orderId"]
    status, gone = replaced(venue, cancelOrderId=new, quantity="30")
    assert (status, gone["data"]["cancelResult"]) == (409, "SUCCESS")
    assert gone["data"]["newOrderResponse"]["code"] == -2010
    assert venue.signed_request("GET", "/api/v3/openOrders").json() == []
    assert replaced(venue, cancelOrderId=new, quantity="0.000001")[1]["code"] == -1013


def test_beyond_the_order_limit_a_replacement_may_still_cancel(fresh_venue: Venue) -> None:
    venue = fresh_venue
    name = limit(venue, "0.9")["orderId"]
    venue.inject_fault("order_limit", seconds=30)
    status, refused = replaced(venue, cancelOrderId=name)
    assert (status, refused["code"]) == (429, -1015)
    status, half = replaced(venue, cancelOrderId=name, orderRateLimitExceededMode="CANCEL_ONLY")
    assert (status, half["data"]["cancelResult"]) == (409, "SUCCESS")
    assert half["data"]["newOrderResponse"]["code"] == -1015


def test_fees_come_out_of_another_asset() -> None:
    with running(SandboxConfig([], fee_asset="BNB")) as venue:
        order = venue.place_order(quantity="0.001").json()
        fees = sum(Decimal(fill["commission"]) for fill in order["fills"])
        assert {fill["commissionAsset"] for fill in order["fills"]} == {"BNB"}
        held = venue.ledger()
        bnb = Decimal(held["initial_balances"]["BNB"]) - Decimal(held["balances"]["BNB"]["free"])
        assert bnb == fees > 0
        assert Decimal(held["balances"]["BTC"]["free"]) == Decimal("100.001")
        received = venue.signed_request(
            "GET", "/api/v3/account/commission", symbol="BTCUSDT"
        ).json()
        assert received["discount"]["discountAsset"] == "BNB"


def test_a_first_fill_gives_back_to_the_order_count() -> None:
    count = OrderCount()
    for _ in range(8):
        count.count_placement(0)
    count.count_first_fill(0, is_maker=False)
    assert count.counts(0) == [7, 7]
    count.count_first_fill(0, is_maker=True)
    assert count.counts(0) == [2, 2]
    assert count.counts(ORDER_LIMITS[0][2])[0] == 0
