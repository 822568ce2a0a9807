"""Tests of growing pauses."""

from foundation.backoff import Backoff


def test_pauses_double_with_every_failure_up_to_a_bound() -> None:
    backoff = Backoff(first_s=0.5, max_s=30.0)
    pauses = [backoff.pause_s(failures) for failures in range(8)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.pause_s(10**9) == 30


def test_jitter_shortens_a_pause_by_up_to_half() -> None:
    backoff = Backoff(first_s=0.25, max_s=60.0, jitter=True)
    assert 0.125 <= backoff.pause_s(0) <= 0.25
    assert all(backoff.pause_s(failures) <= 60 for failures in range(200))
    assert backoff.pause_s(100) >= 30
