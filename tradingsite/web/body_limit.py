"""Limit of request bodies, held while they arrive.

daphne reads a body to its end before anybody is asked what it is good for, and lays it on disk:
without a limit a stranger fills that.
"""

from daphne.http_protocol import WebRequest

MAX_BODY_BYTES = 3 * 1024 * 1024  # Django's own limit of forms is 2.5 MB
REFUSAL = (
    b"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
)
BODY = b'{"error":"too_large","detail":"the body is longer than %d bytes"}' % MAX_BODY_BYTES


def limit_bodies() -> None:
    """Have daphne refuse longer bodies with 413, and close the connection."""
    store = WebRequest.handleContentChunk

    def handle_content_chunk(request: WebRequest, data: bytes) -> None:
        if request.content.tell() + len(data) <= MAX_BODY_BYTES:
            store(request, data)
        elif not getattr(request, "refused", False):
            request.refused = True
            request.channel.transport.write(REFUSAL % (len(BODY), BODY))
            request.channel.loseConnection()

    WebRequest.handleContentChunk = handle_content_chunk
