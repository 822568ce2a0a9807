"""Startup of any process: settings' sources, VAR_DIR, and what has to be there first."""
