"""The whole venue: its clock, its markets, its one account."""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from sandbox import replay
from sandbox.account import grants
from sandbox.altered import Source
from sandbox.clock import DAY_MS, Clock
from sandbox.engine import Engine
from sandbox.flow import Flow
from sandbox.market import Market, Silent
from sandbox.signing import Credentials
from sandbox.symbols import Listing, listing, listings
from sandbox.wire import invalid_symbol

TRADES_KEPT, FEWEST_KEPT = 600_000, 4_000  # of all symbols together, and of each at least


@dataclass(frozen=True, slots=True)
class Plan:
    """How to set the venue up. `rate` multiplies how often the random market trades.

    `lifetime_ms` is how long a stream connection may last.
    """

    symbols: list[str]
    seed: int = 1
    rate: float = 1.0
    fee: Decimal = Decimal("0.001")
    replay: tuple[Path, ...] = ()
    speed: Fraction = Fraction(1)
    credentials: Credentials = field(default_factory=Credentials)
    lifetime_ms: int = DAY_MS


class Exchange:
    """Markets by symbol, the engine, and what the account was granted."""

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self.plan = plan
        self.clock = clock
        self.started_ms = clock.now_ms()
        self.engine = Engine(plan.fee)
        listed, sources = _replayed(plan, clock) if plan.replay else _random(plan, clock)
        keep = max(FEWEST_KEPT, TRADES_KEPT // len(listed))
        self.markets = {
            entry.rules.symbol: Market(entry.rules, source, plan.seed, keep)
            for entry, source in zip(listed, sources, strict=True)
        }
        first_ms = min(market.source.due_ms for market in self.markets.values())
        self.begins_ms = max(self.started_ms, first_ms)  # the first trade that is still to come
        self.asleep = list(self.markets.values())
        self.granted = grants(listed)
        for asset, amount in self.granted.items():
            self.engine.account.grant(asset, amount)

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
