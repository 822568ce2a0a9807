"""python-binance against the sandbox, with only the URLs changed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from binance.async_client import AsyncClient  # type: ignore[import-untyped]
from binance.client import Client  # type: ignore[import-untyped]
from binance.exceptions import BinanceAPIException  # type: ignore[import-untyped]
from binance.ws.streams import BinanceSocketManager  # type: ignore[import-untyped]
from binance.ws.websocket_api import WebsocketAPI  # type: ignore[import-untyped]

from sandbox.config import SAMPLE_KEY, SAMPLE_SECRET
from tests.sandbox.venue import Venue
from tests.servers import HANG_S

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
KEYS: dict[str, Any] = {"api_key": SAMPLE_KEY, "api_secret": SAMPLE_SECRET, "testnet": True}


@pytest.fixture
def urls(living_venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its testnet is the sandbox."""
    address = f"127.0.0.1:{living_venue.port}"
    for client in (Client, AsyncClient):
        monkeypatch.setattr(client, "API_TESTNET_URL", f"http://{address}/api")
        monkeypatch.setattr(client, "WS_API_TESTNET_URL", f"ws://{address}/ws-api/v3")
    monkeypatch.setattr(WebsocketAPI, "TIMEOUT", 2)  # it takes that long to close, else ten seconds
    monkeypatch.setattr(BinanceSocketManager, "STREAM_TESTNET_URL", f"ws://{address}/")


@pytest.fixture
def client(urls: None) -> Iterator[Client]:
    client = Client(**KEYS)
    yield client
    client.close_connection()


@pytest.fixture
async def async_client(urls: None) -> AsyncIterator[AsyncClient]:
    client = await AsyncClient.create(**KEYS)
    yield client
    await client.close_connection()


def test_it_places_finds_cancels_and_lists_orders(client: Client) -> None:
    bought = client.order_market_buy(symbol="BTCUSDT", quantity="0.001")
    assert bought["status"] == "FILLED"
    assert client.get_my_trades(symbol="BTCUSDT", orderId=bought["orderId"])
    last = Decimal(client.get_symbol_ticker(symbol="BTCUSDT")["price"])
    price = str((last * Decimal("0.9")).quantize(Decimal("0.01")))
    name = {"symbol": "BTCUSDT", "newClientOrderId": "pb-1"}
    resting = client.order_limit_buy(**name, quantity="0.01", price=price)
    found = client.get_order(symbol="BTCUSDT", origClientOrderId="pb-1")
    assert (found["orderId"], found["status"]) == (resting["orderId"], "NEW")
    assert [order["orderId"] for order in client.get_open_orders(symbol="BTCUSDT")] == [
        resting["orderId"]
    ]
    assert client.cancel_order(symbol="BTCUSDT", orderId=resting["orderId"])["status"] == "CANCELED"
    assert len(client.get_all_orders(symbol="BTCUSDT", orderId=bought["orderId"])) == 2
    with pytest.raises(BinanceAPIException, match="LOT_SIZE"):
        client.order_market_buy(symbol="BTCUSDT", quantity="0.000001")


def test_it_reads_account_and_market(client: Client) -> None:
    assert Decimal(client.get_asset_balance(asset="USDT")["free"]) > 0
    assert client.get_symbol_info("BTCUSDT")["status"] == "TRADING"
    assert len(client.get_klines(symbol="BTCUSDT", interval="1m", limit=5)) == 5
    assert client.get_aggregate_trades(symbol="BTCUSDT", limit=3)
    assert client.get_order_book(symbol="BTCUSDT", limit=5)["bids"]


async def test_over_websockets_it_trades_and_receives_market_and_user_data(
    async_client: AsyncClient,
) -> None:
    manager = BinanceSocketManager(async_client)
    async with manager.aggtrade_socket("BTCUSDT") as trades:
        assert (await asyncio.wait_for(trades.recv(), HANG_S))["e"] == "aggTrade"
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.001"}
    async with manager.user_socket() as account:
        sold = await async_client.ws_create_order(**order)
        received = [await asyncio.wait_for(account.recv(), HANG_S) for _ in range(2)]
    assert [event["e"] for event in received] == ["executionReport"] * 2
    assert {event["i"] for event in received} == {sold["orderId"]}
    found = await async_client.ws_get_order(symbol="BTCUSDT", orderId=sold["orderId"])
    assert (sold["status"], found["executedQty"]) == ("FILLED", "0.00100000")
    assert (await async_client.ws_get_account())["balances"]
