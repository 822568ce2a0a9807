"""All symbols of one stream process: each batch handed to the feeds of its symbols."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from candles.intervals import NAMES
from candles.live.deaf import DeafSymbols
from candles.live.feed import SymbolFeed
from candles.live.folded import NOTHING, Folded
from candles.live.missing import Fetched, FetchRequest
from candles.live.state import SymbolState
from candles.ohlcv import base_interval_ms
from market.ticks import Tick
from market.wire.frames import KlineEvent

logger = structlog.get_logger(__name__)


class Ingest:
    """All symbols of one stream process."""

    def __init__(self, intervals: Sequence[str], fetch: Callable[[FetchRequest], None]) -> None:
        self.intervals = intervals
        self.base = base_interval(intervals)
        self.feeds: dict[str, SymbolFeed] = {}
        self._fetch = fetch
        self._deaf = DeafSymbols()

    def follow(
        self,
        symbols: Iterable[str],
        states: Mapping[str, SymbolState],
        recent: Mapping[str, Sequence[Tick]],
    ) -> list[str]:
        """Follow exactly `symbols`, from their stored states and recent ticks on.

        Returns those that were dropped.
        """
        followed = set(symbols)
        dropped = [symbol for symbol in self.feeds if symbol not in followed]
        for symbol in dropped:
            del self.feeds[symbol]
        for symbol in followed - self.feeds.keys():
            self.feeds[symbol] = SymbolFeed(
                symbol, self.intervals, states.get(symbol), recent.get(symbol, ())
            )
        return dropped

    def on_live(
        self, symbols: Iterable[str], now_ms: int, buffered: Mapping[str, Iterable[Tick]]
    ) -> dict[str, Folded]:
        """Ticks flow from now on; `buffered` came before we led, without a gap up to now."""
        return self._each(symbols, lambda feed: feed.on_live(now_ms, buffered.get(feed.symbol, ())))

    def on_silent(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            if feed := self.feeds.get(symbol):
                feed.on_silent()

    def receive(self, ticks: Sequence[Tick]) -> dict[str, Folded]:
        """Fold a batch of ticks of any symbols."""
        by_symbol = grouped(ticks)
        return self._each(by_symbol, lambda feed: feed.receive(by_symbol[feed.symbol]))

    def receive_klines(self, klines: Iterable[KlineEvent]) -> dict[str, Folded]:
        """Close base candles that are complete by the exchange's own word."""
        by_symbol: dict[str, list[KlineEvent]] = {}
        for kline in klines:
            if kline.interval == self.base:
                by_symbol.setdefault(kline.symbol, []).append(kline)
        return self._each(by_symbol, lambda feed: feed.receive_klines(by_symbol[feed.symbol]))

    def receive_fetched(self, answers: Sequence[Fetched]) -> dict[str, Folded]:
        folded: dict[str, Folded] = {}
        for answer in answers:
            for symbol, step in self._each([answer.symbol], _receiving(answer)).items():
                folded[symbol] = folded.get(symbol, NOTHING).merge(step)
        return folded

    def advance(self, now_ms: Callable[[str], int], grace_ms: int) -> dict[str, Folded]:
        """Ask for proof where the stream gives none, `now_ms` being by the exchange's clock."""
        self._deaf.listen(self.feeds.values())
        pause_ms = self._deaf.pause_ms
        return self._each(
            self.feeds, lambda feed: feed.advance(now_ms(feed.symbol), pause_ms, grace_ms)
        )

    @property
    def polled(self) -> list[str]:
        """Symbols that the stream is deaf on: REST is asked in its place."""
        return sorted(symbol for symbol, feed in self.feeds.items() if feed.deaf)

    def _each(
        self, symbols: Iterable[str], step: Callable[[SymbolFeed], Folded]
    ) -> dict[str, Folded]:
        """Outcome of a step for each symbol that has one; what a feed then lacks is fetched."""
        folded: dict[str, Folded] = {}
        for symbol in symbols:
            feed = self.feeds.get(symbol)
            if feed is None:
                continue
            pending, proof = feed.pending, feed.proof
            outcome = _step(feed, step)
            if outcome is not NOTHING:
                folded[symbol] = outcome
            if feed.pending is not None and feed.pending is not pending:
                self._fetch(feed.pending)
            if feed.proof is not None and feed.proof is not proof:
                self._fetch(feed.proof)
        return folded


def _step(feed: SymbolFeed, step: Callable[[SymbolFeed], Folded]) -> Folded:
    """Outcome of a step; a feed that cannot take it begins afresh, and the others go on."""
    try:
        return step(feed)
    except Exception:
        logger.exception("feed.failed", symbol=feed.symbol)
        feed.begin_afresh()
        return NOTHING


def _receiving(answer: Fetched) -> Callable[[SymbolFeed], Folded]:
    return lambda feed: feed.receive_fetched(answer)


def grouped(ticks: Sequence[Tick]) -> dict[str, list[Tick]]:
    """Ticks by symbol, in the order in which they came."""
    by_symbol: defaultdict[str, list[Tick]] = defaultdict(list)
    for tick in ticks:
        by_symbol[tick.symbol].append(tick)
    return by_symbol


def base_interval(intervals: Sequence[str]) -> str:
    """The name of the interval that ticks are folded into."""
    return NAMES[base_interval_ms(intervals)]
