"""The exchange: its clock, its markets, its one account."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from sandbox.clock import Clock
from sandbox.config import SandboxConfig
from sandbox.data.random_market import RandomMarket
from sandbox.data.recordings import read_recordings
from sandbox.data.replay import Replay, time_shift
from sandbox.data.source import NoTrades, TradeSource
from sandbox.data.symbols import QUOTE_VALUES_USDT, Listing, find_listing, find_listings
from sandbox.engine.account import initial_balances
from sandbox.engine.fees import Fees
from sandbox.engine.market import Market
from sandbox.engine.matching_engine import MatchingEngine
from sandbox.engine.request_log import LoggedRequest
from sandbox.errors import invalid_symbol
from sandbox.wire import Json, format_decimal

MAX_TRADES, MIN_TRADES_OF_SYMBOL = 600_000, 4_000  # of all symbols together, and of each at least


class Exchange:
    """Markets by symbol, the engine, and the balances that the account began with.

    `outbox` holds the events that user data has still to send, `request_log` the requests that
    carried orders, `transfers` what came from outside, and `past_periods` the ledger of each
    period that a reset ended. `delisted` are markets that no request finds any more.
    `first_trade_ms` is of the first trade that was still to come.
    """

    def __init__(self, config: SandboxConfig, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.started_ms = clock.now_ms()
        self.listings, sources = (
            _replayed_markets(config, clock) if config.replay else _random_markets(config, clock)
        )
        self.markets = self._open_markets(sources)
        self.delisted: dict[str, Market] = {}
        first_ms = min(market.source.next_trade_ms for market in self.markets.values())
        self.first_trade_ms = max(self.started_ms, first_ms)
        self.sleeping_markets = list(self.markets.values())
        self.initial_balances = initial_balances(self.listings)
        self.outbox: list[Json] = []
        self.past_periods: list[Json] = []
        self._start_period()

    def _open_markets(self, sources: Sequence[TradeSource]) -> dict[str, Market]:
        keep = max(MIN_TRADES_OF_SYMBOL, MAX_TRADES // len(self.listings))
        return {
            entry.rules.symbol: Market(entry.rules, source, self.config.seed, keep)
            for entry, source in zip(self.listings, sources, strict=True)
        }

    def _start_period(self) -> None:
        """Begin with an account without a past, every balance as granted."""
        self.period_started_ms = self.clock.now_ms()
        fees = Fees(self.config.fee, self.config.fee_asset, self._value_usdt)
        self.engine = MatchingEngine(fees, self.outbox)
        self.request_log: list[LoggedRequest] = []
        self.transfers: list[Json] = []
        for asset, amount in self.initial_balances.items():
            self.engine.account.credit(asset, amount)
            self._record_transfer(asset, amount)
        self.engine.account.record_balances(self.period_started_ms)

    def _record_transfer(self, asset: str, amount: Decimal) -> None:
        now_ms = self.clock.now_ms()
        self.transfers.append({"asset": asset, "amount": format_decimal(amount), "time_ms": now_ms})

    def transfer(self, asset: str, amount: Decimal) -> None:
        """Deposit, or withdraw where `amount` is below zero; raises -2010 where funds lack."""
        self.engine.transfer(asset, amount, self.clock.now_ms())
        self._record_transfer(asset, amount)

    def reset(self, period: Json) -> None:
        """Begin anew as the testnet does, keys excepted; `period` is the ledger until now."""
        self.past_periods.append(period)
        self.relist()
        self.outbox.clear()
        if not self.config.replay:
            self._restart_markets()
        self._start_period()

    def _restart_markets(self) -> None:
        """Open the markets anew without a past, at the prices they had."""
        before, now_ms = self.markets, self.clock.now_ms()
        prices = [market.last_price for market in before.values()]
        at_prices = [
            replace(entry, price=float(price or entry.price))
            for entry, price in zip(self.listings, prices, strict=True)
        ]
        seed, rate = self.config.seed, self.config.rate
        self.markets = self._open_markets(
            [RandomMarket(entry, seed, rate, now_ms, has_past=False) for entry in at_prices]
        )
        sleeping = [market.rules.symbol for market in self.sleeping_markets]
        self.sleeping_markets = [self.markets[symbol] for symbol in sleeping]
        for symbol, market in before.items():
            if market.is_awake:
                self.market(symbol)

    def delist(self, symbol: str) -> None:
        """Forget a symbol; its open orders are cancelled, what is held of it stays."""
        market = self.delisted[symbol] = self.markets.pop(symbol)
        now_ms = self.clock.now_ms()
        for order in self.engine.open_orders(symbol):
            self.engine.cancel_order(order, order.client_order_id, market.rules, now_ms)

    def relist(self) -> None:
        """Know again what was delisted; its market goes on from now."""
        markets, self.delisted = self.markets | self.delisted, {}
        self.markets = {entry.rules.symbol: markets[entry.rules.symbol] for entry in self.listings}

    def market(self, symbol: str) -> Market:
        """A listed symbol's market, awake; raises -1121."""
        market = self.markets.get(symbol)
        if market is None:
            raise invalid_symbol()
        market.wake(self.clock.now_ms())
        return market

    def wake_next_market(self) -> None:
        """Wake one market, so that in time, called again and again, all of them run."""
        if self.sleeping_markets:
            self.sleeping_markets.pop(0).wake(self.clock.now_ms())

    def fee_discount(self) -> Json:
        """Payment of fees in another asset, as answers about the account show it."""
        pays = self.config.fee_asset is not None
        return {
            "enabledForAccount": pays,
            "enabledForSymbol": pays,
            "discountAsset": self.config.fee_asset or "BNB",
            "discount": format_decimal(Decimal(0)),
        }

    def _value_usdt(self, asset: str) -> Decimal:
        """Value of one unit in USDT: as last traded, else as listed."""
        market = self.markets.get(f"{asset}USDT")
        if market and market.last_price:
            return market.last_price
        known = {entry.rules.base: entry for entry in self.listings}
        if asset in QUOTE_VALUES_USDT:
            return Decimal(str(QUOTE_VALUES_USDT[asset]))
        return Decimal(str(known[asset].price * QUOTE_VALUES_USDT[known[asset].rules.quote]))


def _random_markets(config: SandboxConfig, clock: Clock) -> tuple[list[Listing], list[TradeSource]]:
    found, start_ms = find_listings(config.symbols, config.seed), clock.now_ms()
    return found, [RandomMarket(entry, config.seed, config.rate, start_ms) for entry in found]


def _replayed_markets(
    config: SandboxConfig, clock: Clock
) -> tuple[list[Listing], list[TradeSource]]:
    """The recorded symbols, which trade; what else was wanted is listed, but does not."""
    recordings = {one.symbol: one for one in read_recordings(config.replay)}
    shift = time_shift(list(recordings.values()), clock.now_ms(), config.speed)
    names = dict.fromkeys([*recordings, *config.symbols])
    sources: list[TradeSource] = [
        Replay(recordings[name], shift) if name in recordings else NoTrades() for name in names
    ]
    return [find_listing(name, config.seed) for name in names], sources
