"""``python -m memtype`` is ``memtype``."""

import sys

from memtype.cli import main

sys.exit(main())
