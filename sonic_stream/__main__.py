"""`python -m sonic_stream` is `sonic-stream`."""

import sys

from sonic_stream.cli import main

sys.exit(main())
