"""The account held against our books: balances, orders, fees, alarms, epochs."""
