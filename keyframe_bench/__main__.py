"""``python -m keyframe_bench``: the command ``keyframe-bench``."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
