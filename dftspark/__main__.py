"""`python -m dftspark` is `dftspark`."""

import sys

from dftspark.cli import main

sys.exit(main())
