"""`python -m MVCTEnhanceLib` is `mvct-enhance`."""

import sys

from .app.cli import main

sys.exit(main())
