"""Requests on their way in and out of the web process: bounds, proxy, headers, shutdown."""
