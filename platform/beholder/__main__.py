"""`python -m beholder`, for where the command itself is not on the path."""

import sys

from beholder.cli import main

if __name__ == "__main__":
    sys.exit(main())
