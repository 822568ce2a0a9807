import os
import pty
import re
import time

import pytest

from launcher import output as writing
from launcher.output import Output


@pytest.fixture
def pipe():
    """The reading end, and an output that writes to the other."""
    reader, writer = os.pipe()
    output = Output(writer, ["web", "stream"])
    yield reader, output
    output.close()
    os.close(writer)
    os.close(reader)


def read(descriptor: int) -> str:
    return os.read(descriptor, 2**16).decode()


def test_each_line_has_its_time_and_whose_it_is(pipe):
    reader, output = pipe
    output.write("web", b"one\ntwo")
    output.write("stream", b"")
    output.say("web started")
    output.close()
    lines = read(reader).splitlines()
    assert [line[8:] for line in lines] == [
        " web    | one",
        " web    | two",
        " stream | ",
        " system | web started",
    ]
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)


def test_on_a_terminal_each_name_has_a_colour():
    master, slave = pty.openpty()
    output = Output(slave, ["web", "stream"])
    for name in ("web", "stream"):
        output.write(name, b"text")
    output.say("text")
    output.close()
    text = ""
    while text.count("\n") < 3:  # a terminal hands over what it has got so far
        text += read(master)
    web, stream, system = text.splitlines()
    assert re.fullmatch(r"\x1b\[0m\x1b\[36m..:..:.. web    \| \x1b\[0mtext", web)
    assert re.fullmatch(r"\x1b\[0m\x1b\[33m..:..:.. stream \| \x1b\[0mtext", stream)
    assert re.fullmatch(r"..:..:.. system \| text", system)
    os.close(master)
    os.close(slave)


def test_a_reader_that_does_not_read_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(writing, "MAX_WAITING", 10)
    reader, writer = os.pipe()
    output = Output(writer, ["web"])
    for _ in range(100):
        output.write("web", b"." * 2**14)
    while not output._waiting.empty():
        read(reader)
    output.write("web", b"back")
    while "back" not in (text := read(reader)):
        time.sleep(0.01)
    assert re.search(r"system \| \d+ lines left out\n.* web    \| back", text)
    output.close()


def test_a_closed_terminal_is_no_error(pipe):
    reader, output = pipe
    os.dup2(os.open(os.devnull, os.O_RDONLY), reader)
    output.write("web", b"text")
    output.write("web", b"text")


def test_closing_does_not_wait_for_a_reader_that_does_not_read(monkeypatch):
    monkeypatch.setattr(writing, "CLOSE_WITHIN_S", 0.1)
    reader, writer = os.pipe()
    output = Output(writer, ["web"])
    output.write("web", b"." * 2**20)
    output.close()
    os.close(reader)


def test_long_lines_that_wait_are_bounded_by_their_bytes(monkeypatch):
    monkeypatch.setattr(writing, "MAX_WAITING_BYTES", 2**20)
    reader, writer = os.pipe()
    output = Output(writer, ["web"])
    for _ in range(100):
        output.write("web", b"." * 2**16)
    assert output._waiting.qsize() < 17
    while not output._waiting.empty():
        read(reader)
    output.write("web", b"back")
    while "back" not in (text := read(reader)):
        pass
    assert "lines left out" in text
    output.close()
    os.close(writer)
    os.close(reader)
