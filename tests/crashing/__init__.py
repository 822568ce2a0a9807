"""An app that kills its own process at chosen steps of an order's way; only tests install it."""
