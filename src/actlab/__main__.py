"""`python -m actlab`: the command line, where the command `actlab` is not on the path."""

import sys

from actlab.cli import main

sys.exit(main())
