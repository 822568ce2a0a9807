"""Ticks that were recorded by nobody, fetched over REST page by page, behind all other work."""

import time
from dataclasses import dataclass, field

from candles.live.missing import MAX_REST_LAG_S, RestLagging
from market.failures import Refused
from market.rest import MarketRest
from market.ticks import Tick
from market.wire.bounds import BadFrame
from market.wire.rows import Rows

MAX_REFUSED_S = 600  # ticks that REST refuses, or that cannot be read, for so long are left out


@dataclass
class MissingPage:
    """Fetches the ticks from an id on, as many as one answer holds.

    None at all means that there are none to be had. An exchange that cannot be reached is asked
    for as long as that takes.
    """

    rest: MarketRest
    symbol: str
    from_id: int
    began_s: float = field(default_factory=time.monotonic)

    def __call__(self) -> Rows[Tick]:
        """Raises RestLagging, or what MarketRest does, where asking again may help."""
        page: Rows[Tick] = Rows()
        try:
            page = self.rest.agg_trades(self.symbol, fromId=self.from_id)
            page.check_whole("trades")
        except (Refused, BadFrame):
            if not self._lasts(MAX_REFUSED_S):
                raise
        if not page and not self._lasts(MAX_REST_LAG_S):
            raise RestLagging
        return page

    def _lasts(self, seconds: float) -> bool:
        return time.monotonic() - self.began_s >= seconds
