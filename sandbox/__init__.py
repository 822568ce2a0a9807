"""A local exchange that speaks Binance Spot: its own process, sharing no code with the apps.

Each layer imports only those below it: `server` listens, `simulation` lets time pass, `faults`
are injected on demand, `api` answers REST and WebSocket requests, `streams` sends events,
`engine` holds markets, orders, account and ledger, `data` trades and their klines.
"""
