"""`python -m benchmarks`: the door to `run.main`."""

import sys

from benchmarks.run import main

if __name__ == '__main__':
    sys.exit(main())
