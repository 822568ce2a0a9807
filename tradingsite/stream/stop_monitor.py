"""Stops watched on every tick, in the stream process."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain

import redis
import structlog
from django.utils.timezone import now

from foundation.times import now_ms
from foundation.worker import DatabaseWorker
from market.ticks import Tick
from orders.core.stops import Hit, Stop, hit
from orders.services import open_stops
from orders.tasks import queue_orders
from orders.venue.binance import exchange
from orders.venue.exchange import Busy
from strategies.services import stop_out

logger = structlog.get_logger(__name__)

VERSION_KEY = "orders:positions"  # rises whenever a position changes
REREAD_EVERY_S = 5.0  # stops are read again at least this often: the word of a change may be lost
WARM_UP_EVERY_S = 10.0
RETRY_EVERY_S = 5.0  # a sale that cannot be written down, for no outage, is tried again


def mark_positions_changed(client: redis.Redis) -> None:
    """Have every stream process read the open stops again."""
    client.incr(VERSION_KEY)


class StopMonitor:
    """Checks ticks against the open stops, and has positions sold whose stop is hit.

    The `database` worker reads the stops, the `exits` worker writes the sales down. A hit is a
    fact, whatever the price does afterwards: it waits for as long as the database is away. The
    `exits` worker sends what it writes (unless a protective stop has to be taken back
    first, which a worker does): no queue of entries lies before an exit, and no ticks or closed
    candles wait while it waits for the exchange. Where writing fails for another reason than an
    outage, each hit is tried again by itself: one that cannot be sold holds up no other. `recent`
    gives the last ticks of a symbol.
    """

    def __init__(
        self,
        database: DatabaseWorker,
        exits: DatabaseWorker,
        recent: Callable[[str], Iterable[Tick]],
    ) -> None:
        self.database = database
        self.exits = exits
        self.recent = recent
        self._version: bytes | None = b"none read"
        self._next_read_s = self._next_warm_up_s = self._next_retry_s = 0.0
        self._reading = False
        self._stops: list[Stop] = []
        self._hits: dict[int, Hit] = {}  # not sold yet, by position
        self._failed: list[Hit] = []  # those of them whose sale could not be written down

    @property
    def unsold_symbols(self) -> Iterable[str]:
        """Symbols with a stop that was hit and not sold yet: their offset must not move on."""
        return {one.stop.symbol for one in self._hits.values()}

    def check(self, ticks: Iterable[Sequence[Tick]]) -> None:
        """Check runs of ticks, oldest first in each, against the stops; sell what they hit."""
        if self._stops:
            self._sell(hit(self._stops, chain.from_iterable(ticks)))

    def refresh(self, version: bytes | None) -> None:
        """Read the stops again where `version` says that positions have changed, or it is time."""
        self._keep_warm()
        self._retry_failed()
        if self._reading or (version == self._version and time.monotonic() < self._next_read_s):
            return
        self._reading = True
        self.database.submit(open_stops, partial(self._replace_stops, version), urgent=True)

    def _replace_stops(self, version: bytes | None, stops: Sequence[Stop]) -> None:
        """Watch these open stops from now on.

        One that is new to us is checked against the recent ticks of its symbol too: its position
        may have been opened before they came.
        """
        self._reading = False
        self._version, self._next_read_s = version, time.monotonic() + REREAD_EVERY_S
        known = {stop.position_id for stop in self._stops}
        self._stops = [stop for stop in stops if stop.position_id not in self._hits]
        for stop in list(self._stops):
            if stop.position_id not in known:
                self._sell(hit([stop], self.recent(stop.symbol)))

    def _keep_warm(self) -> None:
        """While there is something to sell, have a connection open and the clock measured."""
        if self._stops and time.monotonic() >= self._next_warm_up_s:
            self._next_warm_up_s = time.monotonic() + WARM_UP_EVERY_S
            self.exits.submit(_warm_up)

    def _sell(self, hits: Sequence[Hit]) -> None:
        if not hits:
            return
        received_ms = now_ms()
        hits = [replace(one, received_ms=received_ms) for one in hits]
        for one in hits:
            logger.info("stop.hit", symbol=one.stop.symbol, price=one.price, tick=one.tick_id)
            self._stops.remove(one.stop)
            self._hits[one.stop.position_id] = one
        self._submit(hits)

    def _submit(self, hits: Sequence[Hit]) -> None:
        def sold(_: object) -> None:
            for one in hits:
                self._hits.pop(one.stop.position_id, None)

        def set_aside(error: Exception) -> None:
            symbols = sorted({one.stop.symbol for one in hits})
            logger.error("stop.exit_failed", symbols=symbols, exc_info=error)
            self._failed += hits
            self._next_retry_s = time.monotonic() + (RETRY_EVERY_S if len(hits) == 1 else 0)

        self.exits.submit(partial(_stop_out, hits), sold, urgent=True, otherwise=set_aside)

    def _retry_failed(self) -> None:
        """Try the hits whose sale failed again, each by itself."""
        if self._failed and time.monotonic() >= self._next_retry_s:
            failed, self._failed = self._failed, []
            for one in failed:
                self._submit([one])


def _stop_out(hits: Sequence[Hit]) -> None:
    """Sell from this very thread; what has to wait for a protective stop's end, a worker sells."""
    signals = stop_out(hits, now(), exchange(), send=True)
    queue_orders(signal.order for signal in signals)


def _warm_up() -> None:
    with suppress(Busy):  # a sale will say so
        exchange().keep_ready()
