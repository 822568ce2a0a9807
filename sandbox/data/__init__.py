"""Public trades, drawn at random or recorded, and the klines they make."""
