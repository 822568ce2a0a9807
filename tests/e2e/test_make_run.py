"""`make run` after its set-up: the launcher and all that it starts, in a folder of its own."""

import os
import signal

import pytest

from tests.launched import COMMANDS, HANGS_AFTER_S, Launched
from tests.servers import PYTHON, Server, eventually, is_healthy

pytestmark = [pytest.mark.processes, pytest.mark.timeout(3 * HANGS_AFTER_S)]


def test_it_starts_stops_cleanly_and_goes_on(own_folder, own_database):
    first = Launched(own_folder, own_database)
    first.await_healthy()
    password = (own_folder / "admin_password").read_text().strip()
    assert f"user admin, password {password}" in first.text()
    first.process.send_signal(signal.SIGINT)
    assert eventually(lambda: "SIGINT received" in first.text())
    assert first.stop(signal.SIGINT) == 0, "a second Ctrl+C changes nothing"
    assert first.processes() == {}
    assert not (own_folder / "redis.sock").exists()
    assert "Traceback" not in first.text()

    again = Launched(own_folder, own_database)
    again.await_healthy()
    # Where these tests themselves run under nohup, so does the launcher, and heeds no SIGHUP.
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    by = signal.SIGTERM if ignored else signal.SIGHUP
    assert again.stop(by) == 0, "closing the terminal stops it, too"
    assert again.text().count(password) == 1, "a password is shown at the first start alone"
    assert again.processes() == {}


def test_whoever_is_killed_comes_back(own_folder, own_database):
    system = Launched(own_folder, own_database)
    system.await_healthy()
    before = {name: system.pids_of(name) for name in COMMANDS}
    assert all(before.values())
    for pid in set().union(*before.values()):
        os.kill(pid, signal.SIGKILL)
    for name, killed in before.items():
        assert eventually(lambda n=name, k=killed: system.pids_of(n) - k, HANGS_AFTER_S), name
    assert eventually(lambda: is_healthy(system.url), HANGS_AFTER_S)
    system.stop()


def test_a_second_one_in_the_same_folder_is_refused(own_folder):
    first = Launched(own_folder)
    first.await_up()
    second = Launched(own_folder)
    assert second.process.wait(HANGS_AFTER_S) == 2
    assert f"VAR_DIR={own_folder} is in use" in second.text()
    first.stop()


def test_a_setting_that_a_process_cannot_run_with_ends_the_start_with_its_reason(own_folder):
    system = Launched(own_folder, SYMBOLS="BTCXYZ")
    assert system.process.wait(HANGS_AFTER_S) == 2
    reason = [line for line in system.text().splitlines() if "| sandbox: " in line]
    assert len(reason) == 1
    assert "'BTCXYZ' ends in no known quote asset; use one of USDT, " in reason[0]
    assert system.text().splitlines()[-1].startswith("sandbox cannot run like this")
    assert "starts again" not in system.text()
    assert system.processes() == {}


def test_nothing_outlives_a_killed_launcher(own_folder):
    system = Launched(own_folder)
    system.await_up()
    for pid in system.pids_of("stream"):
        os.kill(pid, signal.SIGSTOP)  # it hangs
    system.process.kill()
    system.process.wait()
    assert eventually(lambda: not system.processes(), HANGS_AFTER_S)


def test_wrong_settings_end_it_with_one_line(own_folder):
    settings = {"VAR_DIR": str(own_folder), "SMA_PERIOD": "many"}
    refused = Server([PYTHON, "-m", "launcher"], own_folder / "terminal.log", settings)
    assert refused.process.wait(HANGS_AFTER_S) == 1
    assert refused.text().splitlines() == [
        "SMA_PERIOD='many' cannot be used: use a whole number from 1 to 1000"
    ]
