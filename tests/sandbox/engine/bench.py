"""An engine and one market without a server, whose trades we make ourselves."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sandbox.clock import NEVER_MS
from sandbox.data.kline_builder import KlineBuilder
from sandbox.data.symbols import KNOWN_LISTINGS
from sandbox.data.tape import Trade, TradeGroup, group_trades
from sandbox.engine.fees import Fees
from sandbox.engine.market import Market
from sandbox.engine.matching_engine import IMMEDIATE, ExecutionTiming, MatchingEngine
from sandbox.engine.order_book import Level
from sandbox.engine.orders import Order, OrderRequest
from sandbox.wire import Json

START_MS = 1_700_000_000_000
FUNDS = {"USDT": Decimal(100_000), "BTC": Decimal(10), "BNB": Decimal(1)}
WORTH = {"USDT": Decimal(1), "BTC": Decimal(100), "BNB": Decimal(500)}


class ScriptedTrades:
    """Trades as the test wants them."""

    next_trade_ms = NEVER_MS

    def __init__(self) -> None:
        self.waiting: list[TradeGroup] = []

    def load_history(self, builder: KlineBuilder) -> None:
        """There is none."""

    def pop_due(self, now_ms: int) -> Iterable[TradeGroup]:
        taken, self.waiting = self.waiting, []
        return taken


class EngineBench:
    """BTCUSDT last traded at 100; the book has ten bids from 99 down and ten asks from 101 up.

    Each level holds 1 BTC and stays as it is until the test trades. Time passes by `trade` and
    `pass_time`.
    """

    def __init__(self, fee: str = "0.001", fee_asset: str | None = None) -> None:
        self.now_ms = START_MS
        self.outbox: list[Json] = []
        self.engine = MatchingEngine(Fees(Decimal(fee), fee_asset, WORTH.__getitem__), self.outbox)
        for asset, amount in FUNDS.items():
            self.engine.account.credit(asset, amount)
        self.engine.account.record_balances(self.now_ms)
        self.source, self.trade_id = ScriptedTrades(), 0
        self.market = Market(KNOWN_LISTINGS["BTCUSDT"].rules, self.source, 1, 1_000)
        self.market.wake(self.now_ms)
        self.trade(100)

    def trade(self, price: object, quantity: object = 1) -> None:
        """The market trades, a millisecond later."""
        self.now_ms += 1
        self.trade_id += 1
        amounts = Decimal(str(price)), Decimal(str(quantity))
        trade = Trade(self.trade_id, self.now_ms, *amounts, buyer_maker=False)
        self.source.waiting.append(group_trades(self.trade_id, [trade]))
        update = self.market.advance(self.now_ms)
        self._lay_out_book(amounts[0])
        self.engine.apply_trades(self.market, update.groups, self.now_ms)

    def _lay_out_book(self, price: Decimal) -> None:
        book = self.market.order_book(self.now_ms)
        book.bids = [Level(price - n, Decimal(1)) for n in range(1, 11) if price > n]
        book.asks = [Level(price + n, Decimal(1)) for n in range(1, 11)]

    def pass_time(self, ms: int) -> None:
        """Let time pass without trades; within a second the book stays."""
        self.now_ms += ms
        self.engine.run_scheduled(self.now_ms)

    def place_order(
        self, kind: str, side: str, timing: ExecutionTiming = IMMEDIATE, **amounts: object
    ) -> Order:
        """Amounts are numbers or text; other fields of the request as they are."""
        fields = {
            name: Decimal(str(value))
            if name in ("quantity", "price", "stop_price", "quote_quantity")
            else value
            for name, value in amounts.items()
        }
        fields.setdefault("client_order_id", f"o-{len(self.engine.orders)}")
        request = OrderRequest("BTCUSDT", side, kind, **fields)  # type: ignore[arg-type]
        return self.engine.accept_order(request, self.market, self.now_ms, timing)

    def balance(self, asset: str) -> Any:
        """Free and locked, decimals to be compared with any number."""
        balance = self.engine.account.balances[asset]
        return balance.free, balance.locked

    def pop_reports(self) -> list[str]:
        """Execution type and status of the reports since last asked."""
        received = [f"{e['x']} {e['X']}" for e in self.outbox if e["e"] == "executionReport"]
        self.outbox.clear()
        return received
