"""All symbols of one stream process: each batch of what arrived, handed to its symbol's feed."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from candles.intervals import NAMES
from candles.live.feed import NOTHING, Folded, SymbolFeed, Wanted
from candles.live.missing import Fetched
from candles.live.state import SymbolState
from candles.ohlcv import base_interval_ms
from market.ticks import Tick
from market.wire import KlineEvent


class Ingest:
    """All symbols of one stream process."""

    def __init__(self, intervals: Sequence[str], fetch: Callable[[Wanted], None]) -> None:
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
        wanted = set(symbols)
        dropped = [symbol for symbol in self.feeds if symbol not in wanted]
        for symbol in dropped:
            del self.feeds[symbol]
        for symbol in wanted - self.feeds.keys():
            self.feeds[symbol] = SymbolFeed(
                symbol, self.intervals, states.get(symbol), recent.get(symbol, ())
            )
        return dropped

    def went_live(
        self, symbols: Iterable[str], now_ms: int, heard: Mapping[str, Iterable[Tick]]
    ) -> dict[str, Folded]:
        """`heard` are ticks that came, without interruption up to now, before we own them."""
        return self._each(symbols, lambda feed: feed.went_live(now_ms, heard.get(feed.symbol, ())))

    def went_silent(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            if feed := self.feeds.get(symbol):
                feed.went_silent()

    def take(self, ticks: Sequence[Tick]) -> dict[str, Folded]:
        """Fold a batch of ticks of any symbols."""
        by_symbol = grouped(ticks)
        return self._each(by_symbol, lambda feed: feed.take(by_symbol[feed.symbol]))

    def heard(self, klines: Iterable[KlineEvent]) -> dict[str, Folded]:
        """Close base candles that are complete by the exchange's own word."""
        last = {
            kline.symbol: kline for kline in klines if kline.closed and kline.interval == self.base
        }
        return self._each(last, lambda feed: feed.heard(last[feed.symbol]))

    def fetched(self, answers: Sequence[Fetched]) -> dict[str, Folded]:
        by_symbol = {answer.symbol: answer for answer in answers}  # one at a time is asked for
        return self._each(by_symbol, lambda feed: feed.fetched(by_symbol[feed.symbol]))

    def advance(self, proven_ms: Callable[[str], int]) -> dict[str, Folded]:
        """Close what is proven to have ended, by symbol."""
        return self._each(self.feeds, lambda feed: feed.advance(proven_ms(feed.symbol)))

    def _each(
        self, symbols: Iterable[str], step: Callable[[SymbolFeed], Folded]
    ) -> dict[str, Folded]:
        """What the step made of each feed; ask for what that now wants."""
        folded: dict[str, Folded] = {}
        for symbol in symbols:
            feed = self.feeds.get(symbol)
            if feed is None:
                continue
            before = feed.wanted
            outcome = step(feed)
            if outcome is not NOTHING:
                folded[symbol] = outcome
            if feed.wanted is not None and feed.wanted is not before:
                self._fetch(feed.wanted)
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
