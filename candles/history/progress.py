"""Progress of long work on candles, on a terminal or in a log."""

import sys
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

LINE_EVERY_S = 10.0


class Progress:
    """A bar where there is a terminal, else a line now and then, by `write_line`."""

    def __init__(
        self, write_line: Callable[[str], object], label: str, total: int, unit: str
    ) -> None:
        self.write_line, self.label, self.total, self.unit = write_line, label, total, unit
        self._next_line_s = time.monotonic() + LINE_EVERY_S
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty():
            options: dict[str, Any] = {"unit": f" {unit}", "unit_scale": True, "leave": False}
            self._bar = tqdm(desc=label, total=total, **options)

    def show(self, done: int, note: str = "") -> None:
        """So much of the total is done."""
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s = time.monotonic() + LINE_EVERY_S
            share = done / self.total if self.total else 1
            self.write_line(
                f"{self.label}: {done:,} of {self.total:,} {self.unit} ({share:.0%}) {note}"
            )

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
