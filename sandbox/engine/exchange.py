"""The whole venue: its clock, its markets, its one account."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from sandbox.clock import Clock
from sandbox.config import Plan
from sandbox.data import replay
from sandbox.data.random_market import Flow
from sandbox.data.source import Silent, Source
from sandbox.data.symbols import QUOTES_USDT, Listing, listing, listings
from sandbox.engine.account import grants
from sandbox.engine.fees import Fees
from sandbox.engine.market import Market
from sandbox.engine.matching_engine import Engine
from sandbox.engine.request_log import Sent
from sandbox.errors import invalid_symbol
from sandbox.wire import Json, text

TRADES_KEPT, FEWEST_KEPT = 600_000, 4_000  # of all symbols together, and of each at least


class Exchange:
    """Markets by symbol, the engine, and what the account was granted.

    `outbox` holds what user data has still to tell, `sent` the requests that carried orders.
    """

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self.plan = plan
        self.clock = clock
        self.started_ms = clock.now_ms()
        self.listed, sources = _replayed(plan, clock) if plan.replay else _random(plan, clock)
        self.markets = self._opened(sources)
        first_ms = min(market.source.due_ms for market in self.markets.values())
        self.begins_ms = max(self.started_ms, first_ms)  # the first trade that is still to come
        self.asleep = list(self.markets.values())
        self.granted = grants(self.listed)
        self.outbox: list[Json] = []
        self.past: list[Json] = []
        self._begin()

    def _opened(self, sources: Sequence[Source]) -> dict[str, Market]:
        keep = max(FEWEST_KEPT, TRADES_KEPT // len(self.listed))
        return {
            entry.rules.symbol: Market(entry.rules, source, self.plan.seed, keep)
            for entry, source in zip(self.listed, sources, strict=True)
        }

    def _begin(self) -> None:
        """An account without a past, every balance as granted."""
        self.began_ms = self.clock.now_ms()
        self.engine = Engine(Fees(self.plan.fee, self.plan.fee_asset, self._worth), self.outbox)
        self.sent: list[Sent] = []
        self.grants: list[Json] = []
        for asset, amount in self.granted.items():
            self.engine.account.grant(asset, amount)
            self._write_grant(asset, amount)
        self.engine.account.remember(self.began_ms)

    def _write_grant(self, asset: str, amount: Decimal) -> None:
        now_ms = self.clock.now_ms()
        self.grants.append({"asset": asset, "amount": text(amount), "time_ms": now_ms})

    def transfer(self, asset: str, amount: Decimal) -> None:
        """Money from outside, or to there where below zero; raises -2010 where it lacks."""
        self.engine.transfer(asset, amount, self.clock.now_ms())
        self._write_grant(asset, amount)

    def reset(self, books: Callable[["Exchange"], Json]) -> None:
        """Begin anew as the testnet does, keys excepted; `books` tells what is kept of before."""
        self.past.append(books(self))
        self.outbox.clear()
        if not self.plan.replay:
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
        plan = self.plan
        self.markets = self._opened(
            [Flow(entry, plan.seed, plan.rate, now_ms, has_past=False) for entry in at_prices]
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
        pays = self.plan.fee_asset is not None
        return {
            "enabledForAccount": pays,
            "enabledForSymbol": pays,
            "discountAsset": self.plan.fee_asset or "BNB",
            "discount": text(Decimal(0)),
        }

    def _worth(self, asset: str) -> Decimal:
        """Of one unit, in USDT: as last traded, else as listed."""
        market = self.markets.get(f"{asset}USDT")
        if market and market.last_price:
            return market.last_price
        known = {entry.rules.base: entry for entry in self.listed}
        if asset in QUOTES_USDT:
            return Decimal(str(QUOTES_USDT[asset]))
        return Decimal(str(known[asset].price * QUOTES_USDT[known[asset].rules.quote]))


def _random(plan: Plan, clock: Clock) -> tuple[list[Listing], list[Source]]:
    listed = listings(plan.symbols, plan.seed)
    start_ms = clock.now_ms()
    return listed, [Flow(entry, plan.seed, plan.rate, start_ms) for entry in listed]


def _replayed(plan: Plan, clock: Clock) -> tuple[list[Listing], list[Source]]:
    """The recorded symbols trade; what else was wanted is listed, but does not."""
    recordings = {recording.symbol: recording for recording in replay.read(plan.replay)}
    shift = replay.shift_of(list(recordings.values()), clock.now_ms(), plan.speed)
    names = dict.fromkeys([*recordings, *plan.symbols])
    sources: list[Source] = [
        replay.Player(recordings[name], shift) if name in recordings else Silent() for name in names
    ]
    return [listing(name, plan.seed) for name in names], sources
