"""Ticks that the stream did not bring, fetched over REST by id."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import structlog

from candles.live.bootstrap import Bootstrap
from foundation.backoff import Backoff
from foundation.worker import WorkerPool, while_database_away
from market.failures import ExchangeUnreachable, Refused
from market.rest import MAX_ROWS, MarketRest
from market.ticks import Tick
from market.wire.bounds import BadFrame
from market.wire.rows import Rows

logger = structlog.get_logger(__name__)

THREADS = 4
BACKOFF = Backoff(first_s=0.5, max_s=30.0)
MAX_REST_LAG_S = 10  # REST may need so long to know a tick that the stream has shown
RECHECK_S = 0.2
MAX_REFILL_S = 60  # missed ticks that REST doesn't give for so long: the candle goes on without


class FetchRequest(msgspec.Struct, frozen=True):
    """A feed's request to REST: missed ticks, or a symbol's past as a whole (`from_id` None).

    With `since_ms` the base klines from there on are asked for too. `in_background`: nothing
    waits for it, others go first.
    """

    symbol: str
    from_id: int | None = None
    until_id: int | None = None
    since_ms: int | None = None
    in_background: bool = False


class Refill(msgspec.Struct, frozen=True):
    """Missed ticks from `from_id` on. Up to `through_id` the exchange has no others.

    That is its own word, unless we have `given_up` asking. `klines` are, from the time that was
    asked for on, the open times of the exchange's base klines and the trades each counts; they
    were asked for before the ticks, so each tick that they count is there.
    """

    symbol: str
    from_id: int
    ticks: list[Tick]
    through_id: int
    given_up: bool = False
    klines: list[tuple[int, int]] = []


Fetched = Bootstrap | Refill


class RestLagging(Exception):
    """REST doesn't know yet what the stream has shown."""


@dataclass
class Refiller:
    """Fetches the ticks from `from_id` to `until_id`, or to the newest where that is None.

    Each call asks on from where the last one failed. An id that is left out by an answer with
    higher ones doesn't exist; what no answer goes beyond within MAX_REST_LAG_S, and what nobody
    answers within MAX_REFILL_S, is given up.
    """

    rest: MarketRest
    symbol: str
    from_id: int
    until_id: int | None
    base: str = "1m"
    since_ms: int | None = None
    klines: list[tuple[int, int]] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    unreadable: bool = False  # some of them could not be read, however often we asked
    began_s: float = field(default_factory=time.monotonic)

    def __call__(self) -> Refill:
        """Raises RestLagging, or what MarketRest does, where asking again may help."""
        try:
            if self.since_ms is not None:
                rows = self.rest.klines_page(self.symbol, self.base, self.since_ms, None)
                rows.check_whole("klines")
                self.klines = [(row[0], row[8]) for row in rows]
            while not self._complete(page := self._page()):
                if page.listed < MAX_ROWS:
                    return self._gave_up_after(MAX_REST_LAG_S, RestLagging())
        except (ExchangeUnreachable, Refused, BadFrame) as error:
            return self._gave_up_after(MAX_REFILL_S, error)
        return self._answer(self._next_id - 1, given_up=self.unreadable)

    @property
    def _next_id(self) -> int:
        return self.ticks[-1].tick_id + 1 if self.ticks else self.from_id

    def _page(self) -> Rows[Tick]:
        """The next page; one with a row that can't be read is asked for anew, at last taken."""
        page = self.rest.agg_trades(self.symbol, fromId=self._next_id)
        if not page or not self._lasts(MAX_REFILL_S):
            page.check_whole("trades")
        self.unreadable |= page.left_out > 0
        self.ticks += page
        return page

    def _complete(self, page: Rows[Tick]) -> bool:
        if self.until_id is None:
            return page.listed < MAX_ROWS
        return self._next_id > self.until_id

    def _gave_up_after(self, seconds: float, failure: Exception) -> Refill:
        if not self._lasts(seconds):
            raise failure
        through_id = self._next_id - 1 if self.until_id is None else self.until_id
        return self._answer(through_id, given_up=True)

    def _answer(self, through_id: int, *, given_up: bool = False) -> Refill:
        return Refill(self.symbol, self.from_id, self.ticks, through_id, given_up, self.klines)

    def _lasts(self, seconds: float) -> bool:
        return time.monotonic() - self.began_s >= seconds


@dataclass
class RetryFetch:
    """Retry policy of one symbol's fetch: again and again, until there is an answer."""

    symbol: str
    failures: int = 0

    def __call__(self, error: Exception) -> float | None:
        match error:
            case RestLagging():
                return RECHECK_S
            case ExchangeUnreachable():
                logger.warning("ticks.fetch_failed", symbol=self.symbol, error=str(error))
                return max(self._grown_pause_s(), error.retry_after_s)
            case Refused() | BadFrame():
                logger.error("ticks.fetch_refused", symbol=self.symbol, error=str(error))
                return BACKOFF.max_s
            case _:
                if while_database_away(error) is None:  # one symbol in trouble ends nobody else
                    logger.error("ticks.fetch_failed", symbol=self.symbol, exc_info=error)
                return self._grown_pause_s()

    def _grown_pause_s(self) -> float:
        pause_s = BACKOFF.pause_s(self.failures)
        self.failures += 1
        return pause_s


class Fetcher:
    """Fetches in threads, again and again until there is an answer or `stop`.

    Between two tries no thread waits, so a symbol in trouble doesn't hold up the others.
    """

    def __init__(self) -> None:
        self._pool = WorkerPool("fetch", THREADS, in_order=False)
        self._fetched: list[Fetched] = []

    def submit(self, symbol: str, fetch: Callable[[], Fetched], *, urgent: bool = False) -> None:
        self._pool.submit(fetch, self._keep, urgent=urgent, retry_after=RetryFetch(symbol))

    def collect(self) -> list[Fetched]:
        """Answers that came since the last call."""
        self._pool.collect()
        fetched, self._fetched = self._fetched, []
        return fetched

    def stop(self) -> None:
        """Fetch nothing more; a fetch under way does not keep the process from ending."""
        self._pool.cancel()

    def _keep(self, fetched: Fetched) -> None:
        self._fetched.append(fetched)
