"""Ticks that the stream did not bring, fetched over REST by id."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import msgspec
import structlog

from candles.live.bootstrap import Bootstrap
from market.rest import PAGE, ExchangeRefused, ExchangeUnreachable, MarketRest
from market.ticks import Tick
from market.wire import BadFrame

logger = structlog.get_logger(__name__)


THREADS = 4
MAX_REST_LAG_S = 10  # REST may need so long to know a tick that the stream has shown
RECHECK_S = 0.2
MAX_REFILL_S = 60  # missed ticks that REST doesn't give for so long: the candle goes on without


class FetchRequest(msgspec.Struct, frozen=True):
    """A feed's request to REST: missed ticks, or a symbol's past as a whole (`from_id` None)."""

    symbol: str
    from_id: int | None = None
    until_id: int | None = None


class Refill(msgspec.Struct, frozen=True):
    """Missed ticks from `from_id` on. Up to `through_id` the exchange has no others.

    That is its own word, unless we have `given_up` asking.
    """

    symbol: str
    from_id: int
    ticks: list[Tick]
    through_id: int
    given_up: bool = False


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
    ticks: list[Tick] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)

    def __call__(self) -> Refill:
        """Raises RestLagging, or what MarketRest does, where asking again may help."""
        try:
            while not self._complete(page := self._page()):
                if len(page) < PAGE:
                    return self._gave_up_after(MAX_REST_LAG_S, RestLagging())
        except (ExchangeUnreachable, ExchangeRefused, BadFrame) as error:
            return self._gave_up_after(MAX_REFILL_S, error)
        return Refill(self.symbol, self.from_id, self.ticks, self._next_id - 1)

    @property
    def _next_id(self) -> int:
        return self.ticks[-1].tick_id + 1 if self.ticks else self.from_id

    def _page(self) -> list[Tick]:
        page = self.rest.agg_trades(self.symbol, fromId=self._next_id)
        self.ticks += page
        return page

    def _complete(self, page: Sequence[Tick]) -> bool:
        if self.until_id is None:
            return len(page) < PAGE
        return self._next_id > self.until_id

    def _gave_up_after(self, seconds: float, failure: Exception) -> Refill:
        if time.monotonic() - self.began_s < seconds:
            raise failure
        through_id = self._next_id - 1 if self.until_id is None else self.until_id
        return Refill(self.symbol, self.from_id, self.ticks, through_id, given_up=True)


@dataclass
class FetchJob:
    """A question to REST: when it is asked next, and the pause should that fail again."""

    symbol: str
    ask: Callable[[], Fetched]
    due_s: float = 0.0  # time.monotonic()
    wait_s: float = 0.5


class Fetcher:
    """Asks in threads, again and again until there is an answer or `stop`.

    Between two tries no thread waits, so a symbol in trouble doesn't hold up the others. The
    threads are daemons: a question under way does not keep the process from ending.
    """

    MAX_WAIT_S = 30.0

    def __init__(self) -> None:
        self._asked: SimpleQueue[FetchJob] = SimpleQueue()
        self._answers: SimpleQueue[Fetched] = SimpleQueue()
        self._failed: SimpleQueue[FetchJob] = SimpleQueue()
        self._later: list[FetchJob] = []
        self._stopping = threading.Event()
        for number in range(THREADS):
            threading.Thread(target=self._work, name=f"fetch-{number}", daemon=True).start()

    def start(self, symbol: str, ask: Callable[[], Fetched]) -> None:
        self._asked.put(FetchJob(symbol, ask))

    def finished(self) -> list[Fetched]:
        """The answers that came since the last call."""
        self._resubmit_due()
        answers: list[Fetched] = []
        while not self._answers.empty():
            answers.append(self._answers.get())
        return answers

    def stop(self) -> None:
        self._stopping.set()

    def _resubmit_due(self) -> None:
        while not self._failed.empty():
            self._later.append(self._failed.get())
        if not self._later:
            return
        now_s = time.monotonic()
        for job in [one for one in self._later if one.due_s <= now_s]:
            self._later.remove(job)
            self._asked.put(job)

    def _work(self) -> None:
        while not self._stopping.is_set():
            with suppress(Empty):
                self._try(self._asked.get(timeout=1))

    def _try(self, job: FetchJob) -> None:
        try:
            self._answers.put(job.ask())
            return
        except RestLagging:
            wait_s = RECHECK_S
        except ExchangeUnreachable as error:
            logger.warning("ticks.fetch_failed", symbol=job.symbol, error=str(error))
            wait_s = max(job.wait_s, error.retry_after_s)
            job.wait_s = min(2 * job.wait_s, self.MAX_WAIT_S)
        except (ExchangeRefused, BadFrame) as error:
            logger.error("ticks.fetch_refused", symbol=job.symbol, error=str(error))
            wait_s = self.MAX_WAIT_S
        job.due_s = time.monotonic() + wait_s
        self._failed.put(job)
