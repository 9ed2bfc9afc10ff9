"""Makes `python -m dftspark` the same as `dftspark`."""

import sys

from dftspark.cli import main

sys.exit(main())
