"""`python -m sonic_stream` is `sonic-stream`."""

from sonic_stream.cli import program

program()
