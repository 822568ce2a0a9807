"""WebSocket connections, and the events of markets and account sent over them."""
