"""The exchange itself: markets, order books, matching, orders, the account and the ledger."""
