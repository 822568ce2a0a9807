"""Strategy rules by kind. A new kind is a module of its own and a line in RULES.

As yet there is one kind, and its `Parameters` and `Evaluation` are those of all.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from strategies.rules import sma_ema
from strategies.rules.sma_ema import Evaluation, Parameters

__all__ = ["RULES", "Evaluation", "Parameters", "Rule"]


class Rule(Protocol):
    """A kind of strategy: a pure function of closes and parameters, and of nothing else."""

    def history_needed(self, parameters: Parameters) -> int:
        """The number of closes that one evaluation needs."""

    def evaluate(self, closes: Sequence[Decimal], parameters: Parameters) -> Evaluation:
        """Evaluate the newest of `closes`, oldest first and without a hole."""


RULES: Mapping[str, Rule] = {"sma_ema": sma_ema}
