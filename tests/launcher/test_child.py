from launcher import child
from launcher.child import Lines


def test_lines_come_whole_however_they_are_cut():
    received: list[bytes] = []
    lines = Lines(received.append)
    for piece in (b"on", b"e\ntwo\n\nth", b"ree"):
        lines.feed(piece)
    assert received == [b"one", b"two", b""]
    lines.end()
    assert received[3:] == [b"three"]


def test_a_line_that_never_ends_is_cut(monkeypatch):
    monkeypatch.setattr(child, "MAX_LINE", 10)
    received: list[bytes] = []
    lines = Lines(received.append)
    for _ in range(4):
        lines.feed(b"......")
    lines.end()
    assert received == [b"." * 12, b"." * 12]
