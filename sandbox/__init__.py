"""A local exchange that speaks Binance Spot: its own process, sharing no code with the apps."""
