"""Each process by its Procfile command, asked to stop."""

import signal

import pytest

from tests.servers import HANG_S, eventually, is_healthy

pytestmark = pytest.mark.processes
NAMES = ("web", "stream", "worker", "beat")


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_every_process_stops_within_five_seconds(site, by):
    started = {name: site.start(name) for name in NAMES}
    assert eventually(lambda: is_healthy(site.url), 2 * HANG_S), "they never came to life"
    codes = {name: server.stop(by, seconds=5) for name, server in started.items()}
    # A worker interrupted by Ctrl+C answers 1, by Celery's own rule; none was killed.
    assert set(codes.values()) <= {0, 1}
