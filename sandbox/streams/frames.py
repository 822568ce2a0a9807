"""WebSocket frames. Source: RFC 6455."""

from struct import pack

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
POLICY_VIOLATION, GOING_AWAY = 1008, 1001  # why a connection is closed


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """One unmasked, final WebSocket frame. Source: RFC 6455, 5.2."""
    length = len(payload)
    if length < 126:
        return pack("!BB", 0x80 | opcode, length) + payload
    if length < 65_536:
        return pack("!BBH", 0x80 | opcode, 126, length) + payload
    return pack("!BBQ", 0x80 | opcode, 127, length) + payload
