"""All symbols of one stream process: each batch handed to the feeds of its symbols."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from candles.intervals import NAMES
from candles.live.feed import NOTHING, Folded, SymbolFeed
from candles.live.missing import Fetched, FetchRequest
from candles.live.state import SymbolState
from candles.ohlcv import base_interval_ms
from market.ticks import Tick
from market.wire import KlineEvent


class Ingest:
    """All symbols of one stream process."""

    def __init__(self, intervals: Sequence[str], fetch: Callable[[FetchRequest], None]) -> None:
        self.intervals = intervals
        self.base = base_interval(intervals)
        self.feeds: dict[str, SymbolFeed] = {}
        self._fetch = fetch

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
        last = {
            kline.symbol: kline for kline in klines if kline.closed and kline.interval == self.base
        }
        return self._each(last, lambda feed: feed.receive_kline(last[feed.symbol]))

    def receive_fetched(self, answers: Sequence[Fetched]) -> dict[str, Folded]:
        by_symbol = {answer.symbol: answer for answer in answers}  # one at a time is asked for
        return self._each(by_symbol, lambda feed: feed.receive_fetched(by_symbol[feed.symbol]))

    def advance(self, proven_ms: Callable[[str], int]) -> dict[str, Folded]:
        """Close candles that are proven to have ended, by symbol."""
        return self._each(self.feeds, lambda feed: feed.advance(proven_ms(feed.symbol)))

    def _each(
        self, symbols: Iterable[str], step: Callable[[SymbolFeed], Folded]
    ) -> dict[str, Folded]:
        """Outcome of a step for each symbol that has one; what a feed then lacks is fetched."""
        folded: dict[str, Folded] = {}
        for symbol in symbols:
            feed = self.feeds.get(symbol)
            if feed is None:
                continue
            before = feed.pending
            outcome = step(feed)
            if outcome is not NOTHING:
                folded[symbol] = outcome
            if feed.pending is not None and feed.pending is not before:
                self._fetch(feed.pending)
        return folded


def grouped(ticks: Sequence[Tick]) -> dict[str, list[Tick]]:
    """Ticks by symbol, in the order in which they came."""
    by_symbol: dict[str, list[Tick]] = {}
    for tick in ticks:
        if tick.symbol in by_symbol:
            by_symbol[tick.symbol].append(tick)
        else:
            by_symbol[tick.symbol] = [tick]
    return by_symbol


def base_interval(intervals: Sequence[str]) -> str:
    """The name of the interval that ticks are folded into."""
    return NAMES[base_interval_ms(intervals)]
