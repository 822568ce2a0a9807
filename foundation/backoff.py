"""Back-off: growing pauses between attempts at what keeps failing."""

import random
from dataclasses import dataclass

MAX_DOUBLINGS = 10  # keeps the power small, however often something has failed


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds that double with each failure in a row, from `first_s` up to `max_s`.

    With `jitter` each is shortened at random by up to half, so that those who lost one server
    together don't come back to it together.
    """

    first_s: float
    max_s: float
    jitter: bool = False

    def pause_s(self, failures: int) -> float:
        """The pause before the next attempt, after so many failures before the latest."""
        pause_s = min(self.max_s, self.first_s * 2.0 ** min(failures, MAX_DOUBLINGS))
        # A jitter is no secret.
        return random.uniform(0.5, 1) * pause_s if self.jitter else pause_s  # noqa: S311
