"""Signatures, held against the test vectors of Binance's documentation."""

import pytest

from orders.venue.signing import encoded, signature, signed

# Printed in Binance's documentation: public, and worth nothing.
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ORDER = [
    ("symbol", "LTCBTC"),
    ("side", "BUY"),
    ("type", "LIMIT"),
    ("timeInForce", "GTC"),
    ("quantity", "1"),
    ("price", "0.1"),
    ("recvWindow", "5000"),
    ("timestamp", "1499827319559"),
]
FULL_WIDTH = [("symbol", "\uff11\uff12\uff13\uff14\uff15\uff16"), *ORDER[1:]]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (ORDER, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (FULL_WIDTH, "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
        (ORDER[-1:], "2222d49722f6af5da13f6da6bfc0d7de19ca2815ebc98bbc49e4942268472f3f"),
    ],
)
def test_values_are_encoded_first_and_then_signed(
    parameters: list[tuple[str, str]], expected: str
) -> None:
    assert signed(SECRET, parameters) == f"{encoded(parameters)}&signature={expected}"


def test_query_and_body_are_signed_without_anything_between_them() -> None:
    payload = encoded(ORDER[:4]) + encoded(ORDER[4:])
    expected = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"
    assert signature(SECRET, payload) == expected


def test_unencoded_text_has_another_signature() -> None:
    raw = "&".join(f"{name}={value}" for name, value in FULL_WIDTH)
    wrong = "ca2cdfbf21d2e2958de492c7f2dd1f059dd2ed4d4459d26a5ec7928db50c8d4f"
    assert signature(SECRET, raw) == wrong
