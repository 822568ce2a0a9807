"""Display of forming candles on pages, at the pace that pages can follow."""

import time
from collections.abc import Iterable

from candles.live.ingest import Ingest
from candles.representation import forming_json
from tradingsite.live import publisher


class FormingDisplay:
    """Publishes the newest forming candles of symbols that traded, evenly spaced."""

    def __init__(self, ingest: Ingest) -> None:
        self.ingest = ingest
        self._changed: publisher.Conflation[None] = publisher.Conflation()

    def show(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self._changed.replace(symbol, None)
        due = self._changed.due(int(time.monotonic() * 1000))
        if due is None:
            return
        feed = self.ingest.feeds.get(due[0])
        state = feed.state() if feed else None
        if state is not None:
            publisher.publish(
                [publisher.Message("forming", state.symbol, forming_json(state.symbol, state))]
            )
