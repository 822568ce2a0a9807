"""A seeded, lively random market: taker orders one after another, and the day before.

Floats draw prices and sizes; what comes out lies on the symbol's price and quantity steps.
"""

import math
import random
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain

from sandbox.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from sandbox.data.kline_builder import KlineBuilder
from sandbox.data.klines import Kline, flat_kline
from sandbox.data.symbols import Listing
from sandbox.data.tape import Trade, TradeGroup, group_trades, split_runs

TRADE_HISTORY_MS = 10 * MINUTE_MS  # so much of the past exists trade by trade
SECOND_KLINES_MS = HOUR_MS  # so much of it in 1s klines, the rest of the day in 1m klines
FILLS_PER_ORDER = 1.9  # on average; see RandomMarket._draw_order
TYPICAL_NOTIONAL = 90.0  # median of one fill, USDT
PULL_SECONDS = 4 * 3600.0  # how slowly the price is drawn back to where it started
MAX_CATCH_UP_MS = 10 * MINUTE_MS  # a process that slept longer finds its market silent meanwhile


class RandomWalk:
    """A log price that follows one trend for some minutes, then another; drawn back over hours."""

    def __init__(self, rng: random.Random, price: float, volatility: float) -> None:
        self.rng = rng
        self.anchor = self.log_price = math.log(price)
        self.volatility = volatility
        self.trend_left_s = 0.0
        self.drift = self.noise = 0.0

    def next_price(self, seconds: float) -> float:
        """The price after so many seconds more."""
        self.trend_left_s -= seconds
        if self.trend_left_s <= 0:
            self._start_trend()
        noise = self.rng.gauss(0.0, self.noise * math.sqrt(seconds))
        pull = (self.anchor - self.log_price) * min(1.0, seconds / PULL_SECONDS)
        self.log_price += self.drift * seconds + noise + pull
        return math.exp(self.log_price)

    def _start_trend(self) -> None:
        self.trend_left_s = 60.0 + self.rng.expovariate(1 / 240.0)
        self.noise = self.volatility * self.rng.lognormvariate(-0.1, 0.45)
        self.drift = self.rng.uniform(-1.0, 1.0) * self.volatility / math.sqrt(180.0) * 1.4


class RandomMarket:
    """A source of one symbol's trades. The same seed and start time give the same ones.

    `load_history` must come before `pop_due`: both draw from one sequence. Without a past the
    first trade comes at the start, and ids begin at 1.
    """

    def __init__(
        self, listing: Listing, seed: int, rate: float, start_ms: int, *, has_past: bool = True
    ) -> None:
        self.rules = listing.rules
        self.rng = random.Random(f"{seed}:flow:{self.rules.symbol}")
        self.walk = RandomWalk(self.rng, listing.price, listing.volatility)
        self.orders_per_ms = listing.orders_per_second * rate / 1000
        self.price_step = float(self.rules.price_step)
        quantity_step = float(self.rules.quantity_step)
        self.median_steps = max(1.0, TYPICAL_NOTIONAL / listing.price / quantity_step)
        self.start_ms = start_ms // MINUTE_MS * MINUTE_MS
        self.next_trade_ms = self.start_ms - TRADE_HISTORY_MS
        self.trade_id = self.rng.randrange(1_000_000, 9_000_000)
        self.agg_id = self.rng.randrange(500_000, 900_000)
        self.has_past = has_past
        if not has_past:
            self.next_trade_ms, self.trade_id, self.agg_id = start_ms, 0, 0
        self.price_in_steps = self._to_steps(listing.price)

    def load_history(self, builder: KlineBuilder) -> None:
        """Give the builder the day before, up to where the trades begin."""
        if not self.has_past:
            return
        day_ms, hour_ms = self.start_ms - DAY_MS, self.start_ms - SECOND_KLINES_MS
        for open_ms in range(day_ms, hour_ms, MINUTE_MS):
            builder.close_kline("1m", self._draw_kline("1m", open_ms, 4))
        for open_ms in range(hour_ms, self.next_trade_ms, SECOND_MS):
            builder.close_kline("1s", self._draw_kline("1s", open_ms, 1))

    def pop_due(self, now_ms: int) -> Iterator[TradeGroup]:
        if now_ms - self.next_trade_ms > MAX_CATCH_UP_MS + TRADE_HISTORY_MS:
            self.next_trade_ms = now_ms
        fills = list(chain.from_iterable(self._taker_orders(now_ms)))
        for run in split_runs(fills):
            self.agg_id += 1
            yield group_trades(self.agg_id, run)

    def _taker_orders(self, now_ms: int) -> Iterator[list[Trade]]:
        while self.next_trade_ms <= now_ms:
            time_ms, gap_ms = self.next_trade_ms, self._draw_gap_ms()
            self.next_trade_ms += gap_ms
            yield self._draw_order(time_ms, gap_ms)

    def _draw_gap_ms(self) -> int:
        """Time to the next taker: a third of them come in bursts, within a few milliseconds."""
        if self.rng.random() < 0.33:
            return self.rng.choice((0, 0, 1, 3))
        return 1 + int(self.rng.expovariate(self.orders_per_ms * 0.67))

    def _draw_order(self, time_ms: int, gap_ms: int) -> list[Trade]:
        """The fills of one taker order: it moves the price and eats one level or several."""
        before = self.price_in_steps
        self.price_in_steps = self._to_steps(self.walk.next_price(max(gap_ms, 1) / 1000))
        moved = self.price_in_steps - before
        buyer_maker = moved < 0 if moved else self.rng.random() < 0.5
        direction = -1 if buyer_maker else 1
        steps, fills = self.price_in_steps, []
        while True:
            self.trade_id += 1
            price, quantity = self.rules.price_step * steps, self._draw_quantity(1)
            fills.append(Trade(self.trade_id, time_ms, price, quantity, buyer_maker))
            if self.rng.random() < 1 / FILLS_PER_ORDER:
                return fills
            if self.rng.random() < 0.4:
                steps = max(1, steps + direction)

    def _draw_kline(self, interval: str, open_ms: int, stops: int) -> Kline:
        """A past kline of up to `stops` prices, with the ids of trades that are kept no more."""
        kline = flat_kline(interval, open_ms, self.rules.price_step * self.price_in_steps)
        length_ms = kline.end_ms - open_ms
        mean = self.orders_per_ms * length_ms * FILLS_PER_ORDER
        count = max(0, round(self.rng.gauss(mean, math.sqrt(mean) * 1.3)))
        stops, prices = min(count, stops) or 1, [self.price_in_steps]
        for _ in range(stops):
            prices.append(self._to_steps(self.walk.next_price(length_ms / stops / 1000)))
        if count:
            self.price_in_steps = prices[-1]
            self._draw_trading(kline, prices[-count:], count)
        return kline

    def _draw_trading(self, kline: Kline, prices: list[int], count: int) -> None:
        """Fill a kline in, given `count` trades at some prices, in steps."""
        step, lot = self.rules.price_step, self.rules.quantity_step
        kline.open, kline.close = step * prices[0], step * prices[-1]
        kline.high, kline.low = step * max(prices), step * min(prices)
        average = step * (sum(prices) // len(prices))
        kline.volume = self._draw_quantity(count)
        bought = Decimal(round(self.rng.uniform(0.25, 0.75), 3))
        if count == 1:
            bought = Decimal(self.rng.random() < 0.5)
        kline.taker_volume = kline.volume * bought // lot * lot
        kline.quote, kline.taker_quote = average * kline.volume, average * kline.taker_volume
        kline.count, kline.first_id = count, self.trade_id + 1
        self.trade_id += count
        kline.last_id = self.trade_id

    def _draw_quantity(self, fills: int) -> Decimal:
        """The sum of so many fills, at least one step each."""
        spread = 1.3 if fills == 1 else 0.25
        mean = self.median_steps * fills * (1.0 if fills == 1 else 2.3)
        return self.rules.quantity_step * max(fills, int(mean * self.rng.lognormvariate(0, spread)))

    def _to_steps(self, price: float) -> int:
        return max(1, round(price / self.price_step))
