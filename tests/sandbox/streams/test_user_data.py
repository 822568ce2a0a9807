"""The account's own events. Source: protocol F."""

from decimal import Decimal
from itertools import pairwise

import pytest
import websocket

from tests.sandbox.api_client import ApiClient
from tests.sandbox.venue import Json, Venue
from tests.servers import eventually


def short(events: list[Json]) -> list[str]:
    """Execution type and status of reports, the names of other events."""
    return [f"{e['x']} {e['X']}" if e["e"] == "executionReport" else e["e"] for e in events]


def limit(venue: Venue, factor: str, **params: object) -> Json:
    last = Decimal(venue.get("/api/v3/ticker/price", symbol="BTCUSDT")["price"])
    price = (last * Decimal(factor)).quantize(Decimal("0.01"))
    order = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": price} | params
    answer: Json = venue.place_order(**order).json()
    return answer


def test_a_market_order_sends_new_then_its_trades_then_the_balances(fresh_venue: Venue) -> None:
    api = ApiClient(fresh_venue).subscribed()
    order = fresh_venue.place_order(quantity="0.01", newClientOrderId="mine").json()
    received = api.receive_reports("FILLED")
    fills = order["fills"]
    middle = ["TRADE PARTIALLY_FILLED"] * (len(fills) - 1)
    wanted = ["NEW NEW", *middle, "TRADE FILLED", "outboundAccountPosition"]
    assert short(received) == wanted
    new, *trades, position = received
    assert [(t["L"], t["l"], t["t"], t["n"], t["N"]) for t in trades] == [
        (f["price"], f["qty"], f["tradeId"], f["commission"], f["commissionAsset"]) for f in fills
    ]
    assert {event["c"] for event in (new, *trades)} == {"mine"}
    assert (trades[-1]["z"], trades[-1]["Z"]) == (
        order["executedQty"],
        order["cummulativeQuoteQty"],
    )
    assert (new["t"], new["n"], new["N"], new["w"], trades[-1]["w"]) == (-1, "0", None, True, False)
    assert all(left["I"] < right["I"] for left, right in pairwise([new, *trades]))
    held = fresh_venue.ledger()["balances"]
    assert {row["a"]: {"free": row["f"], "locked": row["l"]} for row in position["B"]} == {
        asset: held[asset] for asset in ("BTC", "USDT")
    }


def test_a_market_order_deeper_than_the_book_expires_after_its_trades(fresh_venue: Venue) -> None:
    api = ApiClient(fresh_venue).subscribed()
    fresh_venue.place_order(side="SELL", quantity="95")
    received = api.receive_reports("EXPIRED")
    assert short(received)[-3:] == [
        "TRADE PARTIALLY_FILLED",
        "EXPIRED EXPIRED",
        "outboundAccountPosition",
    ]
    assert received[-2]["eR"] == "INSUFFICIENT_LIQUIDITY"


def test_a_cancel_is_reported_with_both_client_ids(fresh_venue: Venue) -> None:
    api = ApiClient(fresh_venue).subscribed()
    order = limit(fresh_venue, "0.9", newClientOrderId="first")
    new, locked = api.receive_reports("NEW")
    assert (new["p"], new["C"], new["W"]) == (order["price"], "", order["workingTime"])
    cost = Decimal(order["price"]) * Decimal("0.01")
    assert locked["B"] == [{"a": "USDT", "f": f"{1_000_000 - cost:.8f}", "l": f"{cost:.8f}"}]
    name = {"symbol": "BTCUSDT", "orderId": order["orderId"], "newClientOrderId": "cancel-1"}
    fresh_venue.signed_request("DELETE", "/api/v3/order", **name)
    gone, _ = api.receive_reports("CANCELED")
    assert (gone["x"], gone["c"], gone["C"]) == ("CANCELED", "cancel-1", "first")


def test_a_subscription_is_had_once_ends_when_asked_and_gets_a_new_id(venue: Venue) -> None:
    api = ApiClient(venue).subscribed()
    again = api.signed_request("userDataStream.subscribe.signature")
    assert (again["status"], again["error"]["code"]) == (400, -2035)
    assert api.request("session.subscriptions")["result"] == [{"subscriptionId": 0}]
    assert api.request("userDataStream.unsubscribe", subscriptionId=3)["error"]["code"] == -2036
    assert api.request("userDataStream.unsubscribe", subscriptionId=0)["result"] == {}
    (ended,) = api.events
    assert (ended["subscriptionId"], ended["event"]["e"]) == (0, "eventStreamTerminated")
    assert api.request("userDataStream.unsubscribe")["error"]["code"] == -2036
    renewed = api.signed_request("userDataStream.subscribe.signature")["result"]
    assert renewed == {"subscriptionId": 1}
    api.events.clear()
    venue.place_order(quantity="0.001")
    api.receive_reports("FILLED")
    assert api.request("session.status")["result"]["userDataStream"] is True


def test_every_subscriber_gets_each_event_and_late_ones_get_no_old_events(venue: Venue) -> None:
    first, second = ApiClient(venue).subscribed(), ApiClient(venue).subscribed()
    venue.place_order(quantity="0.001", newClientOrderId="one")
    assert first.receive_reports("FILLED") == second.receive_reports("FILLED")
    second.socket.close()
    venue.place_order(quantity="0.001", newClientOrderId="two")
    back = ApiClient(venue).subscribed()
    first.receive_reports("FILLED")
    venue.place_order(quantity="0.001", newClientOrderId="three")
    received = back.receive_reports("FILLED")
    assert {event["c"] for event in received if event["e"] == "executionReport"} == {"three"}


def test_a_transfer_is_reported(fresh_venue: Venue) -> None:
    api = ApiClient(fresh_venue).subscribed()
    fresh_venue.inject_fault("transfer", asset="USDT", amount="-12.5")
    moved, position = api.receive_events_until(
        lambda event: event["e"] == "outboundAccountPosition"
    )
    assert (moved["e"], moved["a"], moved["d"]) == ("balanceUpdate", "USDT", "-12.50000000")
    assert position["B"] == [{"a": "USDT", "f": "999987.50000000", "l": "0.00000000"}]
    assert fresh_venue.ledger()["grants"][-1]["amount"] == "-12.50000000"
    received = fresh_venue.inject_fault("transfer", asset="USDT", amount="-9999999")
    assert received["error"] == "bad_fault"


def test_a_shutdown_is_announced_without_a_subscription_id(venue: Venue) -> None:
    api = ApiClient(venue).subscribed()
    assert venue.inject_fault("user_shutdown", seconds=0.2)["sockets"] >= 1
    (event,) = api.receive_events_until(lambda event: event["e"] == "serverShutdown")
    assert set(event) == {"e", "E"}
    assert api.socket.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_CLOSE


def test_connections_can_be_cut_and_refused(venue: Venue) -> None:
    api, stream = ApiClient(venue).subscribed(), venue.socket("/ws/btcusdt@aggTrade")
    venue.inject_fault("user_refuse", seconds=30)
    assert venue.inject_fault("user_disconnect")["sockets"] >= 1
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        api.request("ping")
    with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
        ApiClient(venue)
    assert stream.recv()


def test_a_deaf_connection_answers_nothing_and_stays_open(venue: Venue) -> None:
    api = ApiClient(venue).subscribed()
    venue.inject_fault("user_stall", seconds=30)
    api.send("ping")
    venue.pass_time(1_000)
    assert not api.socket.has_more()
    venue.place_order(quantity="0.001", newClientOrderId="unheard")
    venue.run_in_loop(venue.server.faults.clear)
    venue.place_order(quantity="0.001", newClientOrderId="heard")
    received = api.receive_reports("FILLED")
    assert {event["c"] for event in received if "c" in event} == {"heard"}


def test_events_can_be_missing_while_the_connection_is_well(venue: Venue) -> None:
    api = ApiClient(venue).subscribed()
    venue.inject_fault("user_mute", seconds=30)
    venue.place_order(quantity="0.001", newClientOrderId="unheard")
    assert api.request("ping")["status"] == 200
    venue.run_in_loop(venue.server.faults.clear)
    venue.place_order(quantity="0.001", newClientOrderId="heard")
    assert {event["c"] for event in api.receive_reports("FILLED") if "c" in event} == {"heard"}


def test_reports_can_be_dropped_doubled_and_swapped(fresh_venue: Venue) -> None:
    api = ApiClient(fresh_venue).subscribed()
    usual = ["NEW NEW", "CANCELED CANCELED"]
    for fault, wanted in (
        ("drop_reports", usual[1:]),
        ("duplicate_reports", [usual[0], *usual]),
        ("reorder_reports", [usual[1], usual[0]]),
    ):
        fresh_venue.inject_fault(fault)
        order = limit(fresh_venue, "0.9")
        name = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
        fresh_venue.signed_request("DELETE", "/api/v3/order", **name)
        balances = api.receive_events_until(lambda event: event["e"] == "outboundAccountPosition")
        received = [
            *balances,
            *api.receive_events_until(lambda event: event["e"] == "outboundAccountPosition"),
        ]
        assert short([event for event in received if event["e"] == "executionReport"]) == wanted
        assert fault not in fresh_venue.get("/sandbox/faults")


def test_a_swapped_report_without_successor_waits_for_a_second_only(fresh_venue: Venue) -> None:
    api = ApiClient(fresh_venue).subscribed()
    limit(fresh_venue, "0.9")
    api.receive_reports("NEW")
    fresh_venue.inject_fault("reorder_reports")
    limit(fresh_venue, "0.9")
    api.receive_events_until(lambda event: event["e"] == "outboundAccountPosition")
    fresh_venue.shift_ms += 1_000
    assert short(api.receive_events_until(lambda event: True)) == ["NEW NEW"]


def test_events_can_come_late_or_before_the_answer(venue: Venue) -> None:
    api = ApiClient(venue).subscribed()
    venue.inject_fault("early_report", ms=150)
    order = api.send_order(quantity="0.001")
    assert eventually(api.socket.has_more)
    venue.pass_time(150)
    assert api.receive_answer(order)["result"]["status"] == "FILLED"
    assert api.events  # they were there first
    api.events.clear()
    venue.inject_fault("late_reports", seconds=30, ms=200)
    ended_ms = venue.place_order(quantity="0.001").json()["transactTime"]
    api.receive_reports("FILLED")
    assert venue.clock.now_ms() - ended_ms >= 200
