"""Ticks that the stream did not bring, fetched over REST by id."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import msgspec
import structlog

from candles.live.joining import Joined
from market.rest import PAGE, ExchangeRefused, ExchangeUnreachable, MarketRest
from market.ticks import Tick
from market.wire import BadFrame

logger = structlog.get_logger(__name__)


THREADS = 4


REST_LAG_S = 10  # how long REST may need to know a tick that the stream has shown


LOOK_AGAIN_S = 0.2


GIVE_UP_S = 60  # missed ticks that REST doesn't give for so long: the candle goes on without


class Refilled(msgspec.Struct, frozen=True):
    """Missed ticks from `from_id` on. Up to `through_id` the exchange has no others.

    That is its own word, unless we have `given_up` asking.
    """

    symbol: str
    from_id: int
    ticks: list[Tick]
    through_id: int
    given_up: bool = False


Fetched = Joined | Refilled


class NotYet(Exception):
    """REST doesn't know yet what the stream has shown."""


@dataclass
class Refill:
    """Fetches the ticks from `from_id` to `until_id`, or to the newest where that is None.

    Each call asks on from where the last one failed. An id that is left out by an answer with
    higher ones doesn't exist; what no answer goes beyond within REST_LAG_S, and what nobody
    answers within GIVE_UP_S, is given up.
    """

    rest: MarketRest
    symbol: str
    from_id: int
    until_id: int | None
    ticks: list[Tick] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)

    def __call__(self) -> Refilled:
        """Raises NotYet, or what MarketRest does, where asking again may help."""
        try:
            while not self._complete(page := self._page()):
                if len(page) < PAGE:
                    return self._gave_up_after(REST_LAG_S, NotYet())
        except (ExchangeUnreachable, ExchangeRefused, BadFrame) as error:
            return self._gave_up_after(GIVE_UP_S, error)
        return Refilled(self.symbol, self.from_id, self.ticks, self._next_id - 1)

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

    def _gave_up_after(self, seconds: float, failure: Exception) -> Refilled:
        if time.monotonic() - self.began_s < seconds:
            raise failure
        through_id = self._next_id - 1 if self.until_id is None else self.until_id
        return Refilled(self.symbol, self.from_id, self.ticks, through_id, given_up=True)


@dataclass
class Errand:
    """Something to ask, when next, and how long to wait should that fail again."""

    symbol: str
    ask: Callable[[], Fetched]
    due_s: float = 0.0  # time.monotonic()
    wait_s: float = 0.5


class Fetcher:
    """Asks in threads, again and again until there is an answer or `stop`.

    Between two tries no thread waits, so a symbol in trouble doesn't hold up the others. The
    threads are daemons: a question under way does not keep the process from ending.
    """

    LONGEST_WAIT_S = 30.0

    def __init__(self) -> None:
        self._asked: SimpleQueue[Errand] = SimpleQueue()
        self._answers: SimpleQueue[Fetched] = SimpleQueue()
        self._failed: SimpleQueue[Errand] = SimpleQueue()
        self._later: list[Errand] = []
        self._stopping = threading.Event()
        for number in range(THREADS):
            threading.Thread(target=self._work, name=f"fetch-{number}", daemon=True).start()

    def start(self, symbol: str, ask: Callable[[], Fetched]) -> None:
        self._asked.put(Errand(symbol, ask))

    def finished(self) -> list[Fetched]:
        """The answers that came since the last call."""
        self._ask_again()
        answers: list[Fetched] = []
        while not self._answers.empty():
            answers.append(self._answers.get())
        return answers

    def stop(self) -> None:
        self._stopping.set()

    def _ask_again(self) -> None:
        while not self._failed.empty():
            self._later.append(self._failed.get())
        if not self._later:
            return
        now_s = time.monotonic()
        for errand in [one for one in self._later if one.due_s <= now_s]:
            self._later.remove(errand)
            self._asked.put(errand)

    def _work(self) -> None:
        while not self._stopping.is_set():
            with suppress(Empty):
                self._try(self._asked.get(timeout=1))

    def _try(self, errand: Errand) -> None:
        try:
            self._answers.put(errand.ask())
            return
        except NotYet:
            wait_s = LOOK_AGAIN_S
        except ExchangeUnreachable as error:
            logger.warning("fetch.failed", symbol=errand.symbol, error=str(error))
            wait_s = max(errand.wait_s, error.retry_after_s)
            errand.wait_s = min(2 * errand.wait_s, self.LONGEST_WAIT_S)
        except (ExchangeRefused, BadFrame) as error:
            logger.error("fetch.refused", symbol=errand.symbol, error=str(error))
            wait_s = self.LONGEST_WAIT_S
        errand.due_s = time.monotonic() + wait_s
        self._failed.put(errand)
