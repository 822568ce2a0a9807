"""What follows from what: every reaction to every event, on one page."""


def connect() -> None:
    """Filled in below as the parts join."""
