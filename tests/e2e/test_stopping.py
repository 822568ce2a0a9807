"""Each process by its Procfile command, asked to stop."""

import signal

import pytest

from tests.servers import eventually

pytestmark = pytest.mark.processes
SIGNS_OF_LIFE = {
    "web": "",
    "stream": "stream.connected",
    "worker": "ready.",
    "beat": "Starting",
}


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_every_process_stops_within_five_seconds(site, by):
    started = {name: site.start(name) for name in SIGNS_OF_LIFE}
    for name, server in started.items():
        sign = SIGNS_OF_LIFE[name]
        assert eventually(lambda s=server, t=sign: t in s.text(), 30), server.text()
    codes = {name: server.stop(by, seconds=5) for name, server in started.items()}
    assert codes == dict.fromkeys(started, 0)
