"""How often Hypothesis tries a law."""

from hypothesis import settings


def examples(whole: int) -> int:
    """So many examples; a tenth of them in a quick run, whose profile has as much fewer."""
    return max(1, whole * settings().max_examples // 100)
