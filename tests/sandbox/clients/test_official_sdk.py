"""Binance's own client against the sandbox, with only the URLs changed."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.rest_api.models import (
    NewOrderSideEnum,
    NewOrderTimeInForceEnum,
    NewOrderTypeEnum,
)
from binance_sdk_spot.spot import Spot
from binance_sdk_spot.websocket_api.models import OrderPlaceSideEnum, OrderPlaceTypeEnum

from sandbox.config import SAMPLE_KEY, SAMPLE_SECRET
from tests.sandbox.venue import Venue
from tests.servers import HANG_S

KEYS: dict[str, Any] = {"api_key": SAMPLE_KEY, "api_secret": SAMPLE_SECRET}


@pytest.fixture
def spot(living_venue: Venue) -> Spot:
    address = f"127.0.0.1:{living_venue.port}"
    return Spot(
        ConfigurationRestAPI(**KEYS, base_path=f"http://{address}", retries=0),
        ConfigurationWebSocketAPI(**KEYS, stream_url=f"ws://{address}/ws-api/v3"),
        ConfigurationWebSocketStreams(stream_url=f"ws://{address}/stream"),
    )


def test_it_places_finds_cancels_and_lists_orders(spot: Spot, living_venue: Venue) -> None:
    rest = spot.rest_api
    buy, market = NewOrderSideEnum.BUY, NewOrderTypeEnum.MARKET
    bought = rest.new_order("BTCUSDT", buy, market, quantity=0.001).data()
    assert bought.status == "FILLED"
    assert rest.my_trades("BTCUSDT", order_id=bought.order_id).data()
    last = Decimal(living_venue.get("/api/v3/ticker/price", symbol="BTCUSDT")["price"])
    resting = rest.new_order(
        "BTCUSDT",
        buy,
        NewOrderTypeEnum.LIMIT,
        time_in_force=NewOrderTimeInForceEnum.GTC,
        quantity=0.01,
        price=float((last * Decimal("0.9")).quantize(Decimal("0.01"))),
        new_client_order_id="sdk-1",
    ).data()
    found = rest.get_order("BTCUSDT", orig_client_order_id="sdk-1").data()
    assert (found.order_id, found.status) == (resting.order_id, "NEW")
    gone = rest.delete_order("BTCUSDT", order_id=resting.order_id).data()
    assert gone.status == "CANCELED"
    assert rest.get_account().data().balances


async def test_it_trades_over_the_websocket_api_and_receives_user_data(spot: Spot) -> None:
    connection = await spot.websocket_api.create_connection()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    try:
        subscribed = await connection.user_data_stream_subscribe_signature()
        subscribed.stream.on("message", heard.put_nowait)
        market = ("BTCUSDT", OrderPlaceSideEnum.SELL, OrderPlaceTypeEnum.MARKET)
        sold = (await connection.order_place(*market, quantity=0.001)).data().result
        assert sold.status == "FILLED"
        report = (await asyncio.wait_for(heard.get(), HANG_S)).actual_instance
        assert (report.i, report.x) == (sold.order_id, "NEW")
        found = (await connection.order_status("BTCUSDT", order_id=sold.order_id)).data().result
        assert found.executed_qty == "0.00100000"
        assert (await connection.account_status()).data().result.balances
    finally:
        await connection.close_connection(close_session=True)


async def test_it_receives_market_streams(spot: Spot) -> None:
    connection = await spot.websocket_streams.create_connection()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    try:
        stream = await connection.agg_trade("btcusdt")
        stream.on("message", heard.put_nowait)
        trade = await asyncio.wait_for(heard.get(), HANG_S)
        assert (trade.e, trade.s) == ("aggTrade", "BTCUSDT")
    finally:
        await connection.close_connection(close_session=True)
