"""The whole venue: its clock, its markets, its one account."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from sandbox.clock import Clock
from sandbox.config import SandboxConfig
from sandbox.data.random_market import RandomMarket
from sandbox.data.recordings import read_recordings
from sandbox.data.replay import Replay, time_shift
from sandbox.data.source import NoTrades, TradeSource
from sandbox.data.symbols import QUOTE_VALUES_USDT, Listing, find_listing, find_listings
from sandbox.engine.account import grants
from sandbox.engine.fees import Fees
from sandbox.engine.market import Market
from sandbox.engine.matching_engine import Engine
from sandbox.engine.request_log import Sent
from sandbox.errors import invalid_symbol
from sandbox.wire import Json, format_decimal

TRADES_KEPT, FEWEST_KEPT = 600_000, 4_000  # of all symbols together, and of each at least


class Exchange:
    """Markets by symbol, the engine, and what the account was granted.

    `outbox` holds what user data has still to tell, `sent` the requests that carried orders.
    """

    def __init__(self, config: SandboxConfig, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.started_ms = clock.now_ms()
        self.listed, sources = _replayed(config, clock) if config.replay else _random(config, clock)
        self.markets = self._opened(sources)
        first_ms = min(market.source.next_trade_ms for market in self.markets.values())
        self.begins_ms = max(self.started_ms, first_ms)  # the first trade that is still to come
        self.asleep = list(self.markets.values())
        self.granted = grants(self.listed)
        self.outbox: list[Json] = []
        self.past: list[Json] = []
        self._begin()

    def _opened(self, sources: Sequence[TradeSource]) -> dict[str, Market]:
        keep = max(FEWEST_KEPT, TRADES_KEPT // len(self.listed))
        return {
            entry.rules.symbol: Market(entry.rules, source, self.config.seed, keep)
            for entry, source in zip(self.listed, sources, strict=True)
        }

    def _begin(self) -> None:
        """An account without a past, every balance as granted."""
        self.began_ms = self.clock.now_ms()
        self.engine = Engine(Fees(self.config.fee, self.config.fee_asset, self._worth), self.outbox)
        self.sent: list[Sent] = []
        self.grants: list[Json] = []
        for asset, amount in self.granted.items():
            self.engine.account.grant(asset, amount)
            self._write_grant(asset, amount)
        self.engine.account.remember(self.began_ms)

    def _write_grant(self, asset: str, amount: Decimal) -> None:
        now_ms = self.clock.now_ms()
        self.grants.append({"asset": asset, "amount": format_decimal(amount), "time_ms": now_ms})

    def transfer(self, asset: str, amount: Decimal) -> None:
        """Money from outside, or to there where below zero; raises -2010 where it lacks."""
        self.engine.transfer(asset, amount, self.clock.now_ms())
        self._write_grant(asset, amount)

    def reset(self, books: Callable[["Exchange"], Json]) -> None:
        """Begin anew as the testnet does, keys excepted; `books` tells what is kept of before."""
        self.past.append(books(self))
        self.outbox.clear()
        if not self.config.replay:
            self._reopen()
        self._begin()

    def _reopen(self) -> None:
        """Markets without a past, at the prices they had."""
        before, now_ms = self.markets, self.clock.now_ms()
        prices = [market.last_price for market in before.values()]
        at_prices = [
            replace(entry, price=float(price or entry.price))
            for entry, price in zip(self.listed, prices, strict=True)
        ]
        config = self.config
        self.markets = self._opened(
            [
                RandomMarket(entry, config.seed, config.rate, now_ms, has_past=False)
                for entry in at_prices
            ]
        )
        self.asleep = [self.markets[market.rules.symbol] for market in self.asleep]
        for symbol, market in before.items():
            if market.awake:
                self.market(symbol)

    def market(self, symbol: str) -> Market:
        """A listed symbol's market, awake; raises -1121."""
        market = self.markets.get(symbol)
        if market is None:
            raise invalid_symbol()
        market.wake(self.clock.now_ms())
        return market

    def wake_one(self) -> None:
        """Called again and again, so that in time every market runs without anyone's asking."""
        if self.asleep:
            self.asleep.pop(0).wake(self.clock.now_ms())

    def discount(self) -> Json:
        """How fees may be paid in another asset, as the account's answers tell it."""
        pays = self.config.fee_asset is not None
        return {
            "enabledForAccount": pays,
            "enabledForSymbol": pays,
            "discountAsset": self.config.fee_asset or "BNB",
            "discount": format_decimal(Decimal(0)),
        }

    def _worth(self, asset: str) -> Decimal:
        """Of one unit, in USDT: as last traded, else as listed."""
        market = self.markets.get(f"{asset}USDT")
        if market and market.last_price:
            return market.last_price
        known = {entry.rules.base: entry for entry in self.listed}
        if asset in QUOTE_VALUES_USDT:
            return Decimal(str(QUOTE_VALUES_USDT[asset]))
        return Decimal(str(known[asset].price * QUOTE_VALUES_USDT[known[asset].rules.quote]))


def _random(config: SandboxConfig, clock: Clock) -> tuple[list[Listing], list[TradeSource]]:
    listed = find_listings(config.symbols, config.seed)
    start_ms = clock.now_ms()
    return listed, [RandomMarket(entry, config.seed, config.rate, start_ms) for entry in listed]


def _replayed(config: SandboxConfig, clock: Clock) -> tuple[list[Listing], list[TradeSource]]:
    """The recorded symbols trade; what else was wanted is listed, but does not."""
    recordings = {one.symbol: one for one in read_recordings(config.replay)}
    shift = time_shift(list(recordings.values()), clock.now_ms(), config.speed)
    names = dict.fromkeys([*recordings, *config.symbols])
    sources: list[TradeSource] = [
        Replay(recordings[name], shift) if name in recordings else NoTrades() for name in names
    ]
    return [find_listing(name, config.seed) for name in names], sources
