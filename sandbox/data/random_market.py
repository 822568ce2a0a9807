"""A seeded, lively random market: takers arriving one after another, and the day before.

Floats draw prices and sizes; what comes out lies on the symbol's tick and step as decimals.
"""

import math
import random
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain

from sandbox.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from sandbox.data.kline_builder import Chart
from sandbox.data.klines import Kline, flat
from sandbox.data.symbols import Listing
from sandbox.data.tape import Print, Trade, printed, runs

TRADED_MS = 10 * MINUTE_MS  # so much of the past exists trade by trade
SECONDS_MS = HOUR_MS  # so much of it in 1s klines, the rest of the day in 1m klines
FILLS_PER_ORDER = 1.9  # on average; see Flow._fills
TYPICAL_NOTIONAL = 90.0  # median worth of one fill, USDT
PULL_SECONDS = 4 * 3600.0  # how slowly the price is drawn back to where it started
QUIET_AFTER_MS = 10 * MINUTE_MS  # a process that slept longer finds its market silent meanwhile


class Walk:
    """A log price that trends for some minutes, then otherwise; drawn back over hours."""

    def __init__(self, draw: random.Random, price: float, volatility: float) -> None:
        self.draw = draw
        self.anchor = self.log_price = math.log(price)
        self.volatility = volatility
        self.left_seconds = 0.0
        self.drift = self.scale = 0.0

    def step(self, seconds: float) -> float:
        """The price after so many seconds more."""
        self.left_seconds -= seconds
        if self.left_seconds <= 0:
            self._turn()
        noise = self.draw.gauss(0.0, self.scale * math.sqrt(seconds))
        pull = (self.anchor - self.log_price) * min(1.0, seconds / PULL_SECONDS)
        self.log_price += self.drift * seconds + noise + pull
        return math.exp(self.log_price)

    def _turn(self) -> None:
        self.left_seconds = 60.0 + self.draw.expovariate(1 / 240.0)
        self.scale = self.volatility * self.draw.lognormvariate(-0.1, 0.45)
        self.drift = self.draw.uniform(-1.0, 1.0) * self.volatility / math.sqrt(180.0) * 1.4


class Flow:
    """One symbol's takers. The same seed and start time give the same trades.

    `history` must be drained before `take`: both draw from one sequence. Without a past the
    first trade comes at the start, and ids begin at 1.
    """

    def __init__(
        self, listing: Listing, seed: int, rate: float, start_ms: int, *, has_past: bool = True
    ) -> None:
        self.rules = listing.rules
        self.draw = random.Random(f"{seed}:flow:{self.rules.symbol}")
        self.walk = Walk(self.draw, listing.price, listing.volatility)
        self.orders_per_ms = listing.orders_per_second * rate / 1000
        self.tick, self.step = float(self.rules.tick), float(self.rules.step)
        self.median_steps = max(1.0, TYPICAL_NOTIONAL / listing.price / self.step)
        self.start_ms = start_ms // MINUTE_MS * MINUTE_MS
        self.due_ms = self.start_ms - TRADED_MS
        self.trade_id = self.draw.randrange(1_000_000, 9_000_000)
        self.agg_id = self.draw.randrange(500_000, 900_000)
        self.has_past = has_past
        if not has_past:
            self.due_ms, self.trade_id, self.agg_id = start_ms, 0, 0
        self.ticks = self._ticks(listing.price)

    def history(self, chart: Chart) -> None:
        """Fill the chart with the day before, up to where the trades begin."""
        if not self.has_past:
            return
        day, hour, traded = self.start_ms - DAY_MS, self.start_ms - SECONDS_MS, self.due_ms
        for open_ms in range(day, hour, MINUTE_MS):
            chart.close("1m", self._kline("1m", open_ms, 4))
        for open_ms in range(hour, traded, SECOND_MS):
            chart.close("1s", self._kline("1s", open_ms, 1))

    def take(self, now_ms: int) -> Iterator[Print]:
        """What was traded up to and including `now_ms` and was not handed out before."""
        if now_ms - self.due_ms > QUIET_AFTER_MS + TRADED_MS:
            self.due_ms = now_ms
        taken = list(chain.from_iterable(self._orders(now_ms)))
        for run in runs(taken):
            self.agg_id += 1
            yield printed(self.agg_id, run)

    def _orders(self, now_ms: int) -> Iterator[list[Trade]]:
        while self.due_ms <= now_ms:
            time_ms, gap_ms = self.due_ms, self._gap_ms()
            self.due_ms += gap_ms
            yield self._fills(time_ms, gap_ms)

    def _gap_ms(self) -> int:
        """Time to the next taker: a third of them come in bursts, within a few milliseconds."""
        if self.draw.random() < 0.33:
            return self.draw.choice((0, 0, 1, 3))
        return 1 + int(self.draw.expovariate(self.orders_per_ms * 0.67))

    def _fills(self, time_ms: int, gap_ms: int) -> list[Trade]:
        """One taker order: it moves the price and eats one level or several."""
        before = self.ticks
        self.ticks = self._ticks(self.walk.step(max(gap_ms, 1) / 1000))
        moved = self.ticks - before
        buyer_maker = moved < 0 if moved else self.draw.random() < 0.5
        direction = -1 if buyer_maker else 1
        ticks, fills = self.ticks, []
        while True:
            self.trade_id += 1
            price, quantity = self.rules.tick * ticks, self._quantity(1)
            fills.append(Trade(self.trade_id, time_ms, price, quantity, buyer_maker))
            if self.draw.random() < 1 / FILLS_PER_ORDER:
                return fills
            if self.draw.random() < 0.4:
                ticks = max(1, ticks + direction)

    def _kline(self, interval: str, open_ms: int, stops: int) -> Kline:
        """A past interval by its outcome alone, with the ids of trades long forgotten."""
        kline = flat(interval, open_ms, self.rules.tick * self.ticks)
        length_ms = kline.end_ms - open_ms
        mean = self.orders_per_ms * length_ms * FILLS_PER_ORDER
        count = max(0, round(self.draw.gauss(mean, math.sqrt(mean) * 1.3)))
        stops, ticks = min(count, stops) or 1, [self.ticks]
        for _ in range(stops):
            ticks.append(self._ticks(self.walk.step(length_ms / stops / 1000)))
        if count:
            self.ticks = ticks[-1]
            self._outcome(kline, ticks[-count:], count)
        return kline

    def _outcome(self, kline: Kline, ticks: list[int], count: int) -> None:
        tick = self.rules.tick
        kline.open, kline.close = tick * ticks[0], tick * ticks[-1]
        kline.high, kline.low = tick * max(ticks), tick * min(ticks)
        average = tick * (sum(ticks) // len(ticks))
        kline.volume = self._quantity(count)
        bought = Decimal(round(self.draw.uniform(0.25, 0.75), 3))
        if count == 1:
            bought = Decimal(self.draw.random() < 0.5)
        kline.taker_volume = kline.volume * bought // self.rules.step * self.rules.step
        kline.quote, kline.taker_quote = average * kline.volume, average * kline.taker_volume
        kline.count, kline.first_id = count, self.trade_id + 1
        self.trade_id += count
        kline.last_id = self.trade_id

    def _quantity(self, fills: int) -> Decimal:
        """The sum of so many fills, at least one step each."""
        spread = 1.3 if fills == 1 else 0.25
        mean = self.median_steps * fills * (1.0 if fills == 1 else 2.3)
        return self.rules.step * max(fills, int(mean * self.draw.lognormvariate(0, spread)))

    def _ticks(self, price: float) -> int:
        return max(1, round(price / self.tick))
