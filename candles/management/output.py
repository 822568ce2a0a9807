"""Output of commands: times and tables."""

from collections.abc import Sequence

from foundation.times import to_time


def time_text(time_ms: int) -> str:
    return f"{to_time(time_ms):%Y-%m-%d %H:%M:%S}"


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
