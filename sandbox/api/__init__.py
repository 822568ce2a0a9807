"""The REST and WebSocket APIs: requests, their parameters, signatures and limits, and answers."""
