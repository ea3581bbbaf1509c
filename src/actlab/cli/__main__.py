"""`python -m actlab.cli` is the command `actlab`."""

import sys

from actlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
