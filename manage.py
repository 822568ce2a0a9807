#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.management import execute_from_command_line

from tradingsite import logs

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    logs.set_up()  # on standard error, apart from what a command prints
    execute_from_command_line(sys.argv)
