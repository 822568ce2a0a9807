"""Orders, fills, fees and balances over the wire. Source: protocol D.6 to D.9."""

from decimal import Decimal

import pytest

from tests.sandbox.venue import Json, Venue, total

FEE = Decimal("0.001")


def balances(venue: Venue) -> dict[str, Decimal]:
    """Free and locked together; nothing is locked unless an order rests."""
    account = venue.signed_request("GET", "/api/v3/account", omitZeroBalances="true").json()
    rows = account["balances"]
    return {row["asset"]: Decimal(row["free"]) + Decimal(row["locked"]) for row in rows}


def locked(venue: Venue, asset: str) -> Decimal:
    rows = venue.signed_request("GET", "/api/v3/account").json()["balances"]
    return next(Decimal(row["locked"]) for row in rows if row["asset"] == asset)


def price(venue: Venue, factor: str) -> str:
    """So many times the last price, on the price grid."""
    last = Decimal(venue.get("/api/v3/ticker/price", symbol="BTCUSDT")["price"])
    return str((last * Decimal(factor)).quantize(Decimal("0.01")))


def limit(venue: Venue, factor: str, **params: object) -> Json:
    order = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"} | params
    return venue.place_order(price=price(venue, factor), **order).json()


def test_a_market_buy_fills_over_several_levels_and_the_books_balance(fresh_venue: Venue) -> None:
    order = fresh_venue.place_order(quantity="0.05", newClientOrderId="buy-1").json()
    fills = order["fills"]
    assert (order["status"], order["price"], order["timeInForce"]) == (
        "FILLED",
        "0.00000000",
        "GTC",
    )
    assert len({fill["price"] for fill in fills}) == len(fills) > 1
    assert total(fills, "qty") == Decimal(order["executedQty"]) == Decimal("0.05")
    spent = sum(Decimal(fill["price"]) * Decimal(fill["qty"]) for fill in fills)
    assert spent == Decimal(order["cummulativeQuoteQty"])
    assert all(Decimal(f["commission"]) == Decimal(f["qty"]) * FEE for f in fills)
    held = balances(fresh_venue)
    assert held["USDT"] == 1_000_000 - spent
    assert held["BTC"] == 100 + Decimal("0.05") - total(fills, "commission")


def test_a_market_sell_pays_its_fee_in_quote(fresh_venue: Venue) -> None:
    order = fresh_venue.place_order(side="SELL", quantity="0.05").json()
    received, fees = Decimal(order["cummulativeQuoteQty"]), total(order["fills"], "commission")
    assert {fill["commissionAsset"] for fill in order["fills"]} == {"USDT"}
    assert abs(fees - received * FEE) < Decimal("0.0000001")
    held = balances(fresh_venue)
    assert (held["USDT"], held["BTC"]) == (1_000_000 + received - fees, Decimal("99.95"))


def test_a_market_order_deeper_than_the_book_expires_with_its_fills(fresh_venue: Venue) -> None:
    answer = fresh_venue.place_order(side="SELL", quantity="95")
    order = answer.json()
    assert (answer.status_code, order["status"]) == (200, "EXPIRED")
    assert order["expiryReason"] == "INSUFFICIENT_LIQUIDITY"
    assert 0 < total(order["fills"], "qty") == Decimal(order["executedQty"]) < 95
    assert balances(fresh_venue)["BTC"] == 100 - Decimal(order["executedQty"])
    assert locked(fresh_venue, "BTC") == 0


def test_a_quote_quantity_buys_what_it_can_pay_for(fresh_venue: Venue) -> None:
    order = fresh_venue.place_order(quoteOrderQty="250").json()
    spent = Decimal(order["cummulativeQuoteQty"])
    assert (order["status"], order["origQuoteOrderQty"]) == ("FILLED", "250.00000000")
    assert 249 < spent <= 250
    assert balances(fresh_venue)["USDT"] == 1_000_000 - spent


def test_nobody_spends_what_he_has_not(fresh_venue: Venue) -> None:
    refused = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
    assert limit(fresh_venue, "0.95", quantity="40") == refused
    fresh_venue.place_order(side="SELL", quantity="60")
    assert limit(fresh_venue, "1.05", side="SELL", quantity="99.99") == refused
    assert fresh_venue.signed_request("GET", "/api/v3/openOrders").json() == []


def test_a_client_id_is_taken_only_while_its_order_is_open(venue: Venue) -> None:
    assert limit(venue, "0.9", newClientOrderId="mine")["status"] == "NEW"
    again = venue.place_order(quantity="0.001", newClientOrderId="mine")
    assert (again.status_code, again.json()) == (
        400,
        {"code": -2010, "msg": "Duplicate order sent."},
    )
    cancelled = venue.signed_request(
        "DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="mine"
    ).json()
    assert (cancelled["status"], cancelled["origClientOrderId"]) == ("CANCELED", "mine")
    for _ in range(2):
        assert (
            venue.place_order(quantity="0.001", newClientOrderId="mine").json()["status"]
            == "FILLED"
        )


def test_a_cancel_renames_its_order_and_frees_the_money(fresh_venue: Venue) -> None:
    venue = fresh_venue
    order = limit(venue, "0.9", newClientOrderId="first")
    assert locked(venue, "USDT") == Decimal(order["price"]) * Decimal("0.01")
    name = {"symbol": "BTCUSDT", "origClientOrderId": "first"}
    venue.signed_request("DELETE", "/api/v3/order", **name, newClientOrderId="cancel-1")
    assert venue.signed_request("GET", "/api/v3/order", **name).json()["code"] == -2013
    by_id = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    found = venue.signed_request("GET", "/api/v3/order", **by_id).json()
    assert (found["clientOrderId"], found["status"]) == ("cancel-1", "CANCELED")
    mismatch = venue.signed_request(
        "GET", "/api/v3/order", **by_id, origClientOrderId="first"
    ).json()
    assert mismatch["code"] == -2039
    again = venue.signed_request("DELETE", "/api/v3/order", **by_id).json()
    assert again == {"code": -2011, "msg": "Unknown order sent."}
    assert locked(venue, "USDT") == 0
    assert balances(venue)["USDT"] == 1_000_000


def test_a_marketable_limit_buy_never_pays_more_and_gets_the_rest_back(fresh_venue: Venue) -> None:
    order = limit(fresh_venue, "1.05", quantity="0.05")
    assert order["status"] == "FILLED"
    assert all(Decimal(f["price"]) <= Decimal(order["price"]) for f in order["fills"])
    assert locked(fresh_venue, "USDT") == 0
    assert balances(fresh_venue)["USDT"] == 1_000_000 - Decimal(order["cummulativeQuoteQty"])


def test_ioc_and_fok_leave_nothing_resting(fresh_venue: Venue) -> None:
    reasons = {"IOC": "UNFILLED_IOC_QUANTITY_EXPIRED", "FOK": "UNFILLED_FOK_ORDER_EXPIRED"}
    for time_in_force, reason in reasons.items():
        order = limit(fresh_venue, "0.99", side="SELL", quantity="90", timeInForce=time_in_force)
        assert (order["status"], order["expiryReason"]) == ("EXPIRED", reason)
        assert bool(order["fills"]) == (time_in_force == "IOC")
    assert fresh_venue.signed_request("GET", "/api/v3/openOrders").json() == []
    assert locked(fresh_venue, "BTC") == 0


def test_a_limit_maker_never_takes(venue: Venue) -> None:
    maker = {"type": "LIMIT_MAKER", "quantity": "0.01"}
    taking = venue.place_order(price=price(venue, "1.05"), **maker).json()
    assert taking == {"code": -2010, "msg": "Order would immediately match and take."}
    resting = venue.place_order(price=price(venue, "0.9"), **maker).json()
    assert "status" not in resting  # an ACK
    name = {"symbol": "BTCUSDT", "orderId": resting["orderId"]}
    assert venue.signed_request("DELETE", "/api/v3/order", **name).json()["status"] == "CANCELED"


BAD_ORDERS = [
    ({"quantity": "0.000005"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "0.000015"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "95.6"}, -1013, "Filter failure: MARKET_LOT_SIZE"),
    ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
    ({"quantity": "0.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
    ({"quantity": "1e-05"}, -1100, "Illegal characters found in parameter 'quantity'; "),
    ({"quantity": ".5"}, -1100, "Illegal characters found in parameter 'quantity'; "),
    ({}, -1102, "Param 'quantity' or 'quoteOrderQty' must be sent"),
    ({"quantity": "1", "timeInForce": "GTC"}, -1106, "Parameter 'timeInForce' sent when not"),
    ({"quantity": "1", "price": "1"}, -1106, "Parameter 'price' sent when not required."),
    ({"quantity": "1", "nonsense": "1"}, -1104, "Not all sent parameters were read; read '"),
    ({"quantity": "1", "side": "HOLD"}, -1117, "Invalid side."),
    ({"quantity": "1", "type": "MAGIC"}, -1116, "Invalid orderType."),
    ({"quantity": "1", "symbol": "NOPEUSDT"}, -1121, "Invalid symbol."),
    ({"quantity": "1", "newClientOrderId": "a b"}, -1100, "Illegal characters found in parameter"),
    ({"quantity": "1", "newClientOrderId": "x" * 37}, -1100, "Illegal characters found in"),
    ({"quantity": "1", "type": "STOP_LOSS"}, -1102, "Mandatory parameter 'stopPrice'"),
    ({"quantity": "1", "icebergQty": "1"}, -2010, "Iceberg orders are not supported"),
    ({"quantity": "1", "type": "LIMIT", "price": "1"}, -1102, "Mandatory parameter 'timeInForce'"),
]


@pytest.mark.parametrize(("params", "code", "message"), BAD_ORDERS)
def test_a_bad_order_is_refused_by_its_name(
    venue: Venue, params: dict[str, str], code: int, message: str
) -> None:
    for path in ("/api/v3/order", "/api/v3/order/test"):
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"} | params
        answer = venue.signed_request("POST", path, **order)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer.json()["msg"].startswith(message)


def test_limit_prices_keep_to_tick_and_band(venue: Venue) -> None:
    order = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    off_tick = venue.place_order(price=price(venue, "1") + "1", **order).json()
    assert off_tick == {"code": -1013, "msg": "Filter failure: PRICE_FILTER"}
    far = venue.place_order(price=price(venue, "0.4"), **order).json()
    assert far == {"code": -1013, "msg": "Filter failure: PERCENT_PRICE_BY_SIDE"}
    tiny = {**order, "quantity": "0.00001"}
    small = venue.place_order(price=price(venue, "0.9"), **tiny).json()
    assert small == {"code": -1013, "msg": "Filter failure: NOTIONAL"}


def test_a_test_order_changes_nothing(venue: Venue) -> None:
    before = venue.ledger()["orders"]
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    assert venue.signed_request("POST", "/api/v3/order/test", **order).json() == {}
    assert venue.ledger()["orders"] == before


def test_the_answer_is_as_long_as_asked_for(venue: Venue) -> None:
    answers = [
        venue.place_order(quantity="0.001", newOrderRespType=kind).json()
        for kind in ("ACK", "RESULT", "FULL")
    ]
    ack, result, full = map(set, answers)
    assert ack == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    assert ack < result
    assert full - result == {"fills"}


def test_the_ledger_has_every_order_fill_and_balance(fresh_venue: Venue) -> None:
    for side, quantity in (("BUY", "0.02"), ("SELL", "0.01"), ("SELL", "95")):
        fresh_venue.place_order(side=side, quantity=quantity)
    ledger = fresh_venue.ledger()
    held = {asset: Decimal(amount) for asset, amount in ledger["initial_balances"].items()}
    for order in ledger["orders"]:
        sign = 1 if order["side"] == "BUY" else -1
        held["BTC"] += sign * total(order["fills"], "qty")
        held["USDT"] -= sign * total(order["fills"], "quoteQty")
        for fill in order["fills"]:
            held[fill["commissionAsset"]] -= Decimal(fill["commission"])
    assert {a: Decimal(b["free"]) for a, b in ledger["balances"].items()} == held
    trades = fresh_venue.signed_request("GET", "/api/v3/myTrades", symbol="BTCUSDT").json()
    assert trades == [fill for order in ledger["orders"] for fill in order["fills"]]
    assert len({trade["id"] for trade in trades}) == len(trades)
    everything = fresh_venue.signed_request("GET", "/api/v3/allOrders", symbol="BTCUSDT").json()
    assert [o["orderId"] for o in everything] == [o["orderId"] for o in ledger["orders"]]
