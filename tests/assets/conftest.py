"""Making portraits needs the `train` extra; without it only the portraits themselves are tested."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("scipy") else ["test_portrait_maker.py"]
