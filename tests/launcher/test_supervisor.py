"""Processes kept running and stopped in order: real ones, of little shell commands."""

import asyncio
import os
import signal

import pytest

from launcher import supervisor as supervision
from launcher.supervisor import next_pause_s
from tests.launcher.conftest import DEAF, HANGS_AFTER_S, until
from tests.servers import runs

NEVER_S = 600.0


async def test_a_killed_process_starts_again_and_a_line_says_so(supervisor, shell, terminal):
    process = shell("first")
    async with supervisor.running(process.commands, killed_after_s=NEVER_S):
        await until(process.is_alive)
        os.kill(process.pids()[0], signal.SIGKILL)
        await until(lambda: len(process.pids()) == 2)
    said = "first  | ended unasked (code -9), starts again in 0.02 s"
    await until(lambda: said in terminal.read_text())


def test_pauses_between_short_lives_grow_to_a_bound():
    pauses = [0.5]
    for _ in range(6):
        pauses.append(next_pause_s(pauses[-1], lived_s=1))
    assert pauses == [0.5, 1, 2, 4, 8, 15, 15]


def test_the_pause_after_a_long_life_is_short_again():
    assert next_pause_s(15, lived_s=29) == 15
    assert next_pause_s(15, lived_s=31) == 0.5


async def test_a_command_that_does_not_exist_is_tried_again(supervisor, terminal):
    async with supervisor.running({"first": "no-such-program"}, killed_after_s=NEVER_S):
        await until(lambda: terminal.read_text().count("(code 127), starts again") == 2)


async def test_a_process_that_cannot_be_started_is_tried_again(supervisor, terminal, monkeypatch):
    monkeypatch.setattr(supervisor, "_folder", "/no/such/folder")
    async with supervisor.running({"first": "true"}, killed_after_s=NEVER_S):
        await until(lambda: terminal.read_text().count("No such file or directory") == 2)


async def test_what_can_never_run_stops_the_others_and_is_not_started_again(
    supervisor, shell, terminal
):
    other, useless = shell("first"), shell("second", "exit 2")

    async def run() -> None:
        async with supervisor.running(other.commands, killed_after_s=NEVER_S):
            await until(other.is_alive)
            async with supervisor.running(useless.commands, killed_after_s=NEVER_S):
                await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(run())
    assert supervisor.unusable == "second"
    assert len(useless.pids()) == 1
    assert not other.is_alive()
    assert "starts again" not in terminal.read_text()


async def test_what_has_run_before_is_started_again_whatever_its_code(supervisor, shell):
    process = shell("first", traps="trap 'exit 2' TERM")
    async with supervisor.running(process.commands, killed_after_s=NEVER_S):
        await until(process.is_alive)
        os.kill(process.pids()[0], signal.SIGKILL)
        await until(lambda: len(process.pids()) == 2)
        os.kill(process.pids()[1], signal.SIGTERM)
        await until(lambda: len(process.pids()) == 3)
    assert supervisor.unusable is None


async def test_what_is_asked_to_stop_stays_away(supervisor, shell, terminal):
    process = shell("first")
    async with supervisor.running(process.commands, killed_after_s=NEVER_S):
        await until(process.is_alive)
    assert not process.is_alive()
    assert len(process.pids()) == 1
    await until(lambda: "first stopped (code -15)" in terminal.read_text())


async def test_a_stop_does_not_wait_for_the_pause_before_a_start(supervisor, terminal, monkeypatch):
    monkeypatch.setattr(supervision, "MIN_PAUSE_S", NEVER_S)
    monkeypatch.setattr(supervision, "MAX_PAUSE_S", NEVER_S)
    async with asyncio.timeout(HANGS_AFTER_S):
        async with supervisor.running({"first": "false"}, killed_after_s=NEVER_S):
            await until(lambda: "starts again in 600 s" in terminal.read_text())


async def test_a_stop_at_once_leaves_nothing_behind(supervisor, shell):
    process = shell("first")
    async with supervisor.running(process.commands, killed_after_s=NEVER_S):
        pass
    assert not process.is_alive()


async def test_what_does_not_obey_is_killed(supervisor, shell, terminal):
    process = shell("first", traps=DEAF)
    async with supervisor.running(process.commands, killed_after_s=0.5):
        await until(process.is_alive)
    assert not process.is_alive()
    await until(lambda: "did not stop within 0.5 s and is killed" in terminal.read_text())


async def test_what_a_process_started_goes_with_it(supervisor, shell, tmp_path):
    note = tmp_path / "grandchild"
    process = shell("first", f"sleep 600 & echo $! > {note}; wait")
    async with supervisor.running(process.commands, killed_after_s=NEVER_S):
        await until(process.is_alive)
        await until(lambda: note.exists() and note.read_text().strip())
        grandchild = int(note.read_text())
        os.kill(process.pids()[0], signal.SIGKILL)
        await until(lambda: len(process.pids()) == 2)
        assert not runs(grandchild)


async def test_what_has_left_its_group_and_holds_the_output_holds_up_nobody(
    supervisor, shell, tmp_path, monkeypatch
):
    monkeypatch.setattr(supervision, "OUTPUT_ENDS_WITHIN_S", 0.1)
    note = tmp_path / "stray"
    process = shell("first", f"setsid sh -c 'echo $$ > {note}; exec sleep 600' & wait")
    async with supervisor.running(process.commands, killed_after_s=NEVER_S):
        await until(process.is_alive)
        await until(lambda: note.exists() and note.read_text().strip())
    assert not process.is_alive()
    os.kill(int(note.read_text()), signal.SIGKILL)


async def test_inner_blocks_stop_before_outer_ones(supervisor, shell, tmp_path):
    names = ("first", "second", "third")
    slow = "trap 'sleep 0.2; echo {} >> order; exit' TERM"
    processes = [shell(name, traps=slow.format(name)) for name in names]
    first, second, third = (process.commands for process in processes)
    async with (
        supervisor.running(third, killed_after_s=NEVER_S),
        supervisor.running(second, killed_after_s=NEVER_S),
        supervisor.running(first, killed_after_s=NEVER_S),
    ):
        await until(lambda: all(process.is_alive() for process in processes))
    assert (tmp_path / "order").read_text().split() == list(names)


async def test_those_of_one_block_are_asked_to_stop_together(supervisor, shell):
    """Each waits for the other one to be asked, too."""
    script = (
        "trap 'touch {me}.asked; until test -e {other}.asked; do sleep 0.02; done; exit' TERM\n"
    )
    script += "while :; do sleep 0.02; done"
    first = shell("first", script.format(me="first", other="second"))
    second = shell("second", script.format(me="second", other="first"))
    async with asyncio.timeout(HANGS_AFTER_S):
        async with supervisor.running(first.commands | second.commands, killed_after_s=NEVER_S):
            await until(lambda: first.is_alive() and second.is_alive())


async def test_time_that_one_block_took_is_not_the_next_one_s(supervisor, shell, terminal):
    inner, outer = shell("first", traps=DEAF), shell("second", traps=DEAF)
    async with (
        supervisor.running(outer.commands, killed_after_s=0.6),
        supervisor.running(inner.commands, killed_after_s=0.5),
    ):
        await until(lambda: inner.is_alive() and outer.is_alive())
    assert not outer.is_alive()
    await until(lambda: "second | did not stop within 0.3 s" in terminal.read_text())


async def test_a_cancelled_block_stops_in_order_too(supervisor, shell):
    process = shell("first")

    async def run() -> None:
        async with supervisor.running(process.commands, killed_after_s=NEVER_S):
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await until(process.is_alive)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not process.is_alive()


async def test_lines_of_several_processes_are_not_torn(supervisor, shell, terminal):
    script = "for n in 1 2 3 4 5; do printf {a}; sleep 0.02; printf '{b}\\n'; done; exec sleep 600"
    first = shell("first", script.format(a="hal", b="ves"))
    second = shell("second", script.format(a="who", b="le"))
    async with supervisor.running(first.commands | second.commands, killed_after_s=NEVER_S):
        await until(lambda: terminal.read_text().count("| halves") == 5)
        await until(lambda: terminal.read_text().count("| whole") == 5)


async def test_a_last_line_without_an_end_is_shown(supervisor, terminal):
    async with supervisor.running({"first": "printf 'last words'"}, killed_after_s=NEVER_S):
        await until(lambda: "first  | last words\n" in terminal.read_text())


async def test_why_a_process_keeps_ending_is_repeated_from_its_last_lines(supervisor, terminal):
    async with supervisor.running(
        {"first": "sh -c 'echo no such disk; exit 3'"}, killed_after_s=NEVER_S
    ):
        said = "first  | has ended 2 times in a row; its last lines: no such disk\n"
        await until(lambda: said in terminal.read_text())


async def test_why_it_keeps_ending_is_read_from_its_log_where_it_says_nothing(
    supervisor, terminal, tmp_path
):
    log = tmp_path / "first.log"
    supervisor.logs = {"first": log}
    async with supervisor.running(
        {"first": f"sh -c 'echo broken >> {log}'"}, killed_after_s=NEVER_S
    ):
        await until(lambda: f"its last lines (more in {log}): broken" in terminal.read_text())
