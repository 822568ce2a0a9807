"""What long commands print: how far they are, and tables."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from tqdm import tqdm

LINE_EVERY_S = 10.0


class Progress:
    """A bar where there is a terminal, else a line now and then, by `say`."""

    def __init__(self, say: Callable[[str], object], label: str, total: int, unit: str) -> None:
        self.say, self.label, self.total, self.unit = say, label, total, unit
        self._next_line_s = time.monotonic() + LINE_EVERY_S
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty():
            options: dict[str, Any] = {"unit": f" {unit}", "unit_scale": True, "leave": False}
            self._bar = tqdm(desc=label, total=total, **options)

    def reached(self, done: int, note: str = "") -> None:
        """So much of the total is done."""
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s = time.monotonic() + LINE_EVERY_S
            share = done / self.total if self.total else 1
            self.say(f"{self.label}: {done:,} of {self.total:,} {self.unit} ({share:.0%}) {note}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def table(rows: Sequence[Sequence[str | int]]) -> str:
    """Rows with their columns below each other: text to the left, numbers to the right."""
    texts = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    numeric = [any(isinstance(cell, int) for cell in column) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        for row in texts
    )
    return "\n".join(line.rstrip() for line in lines)
