# SPDX-License-Identifier: MIT
"""Imported first by every script: without NumPy goes on under the system's python3, or skips.

Exit status 77 with a line "SKIP reason" is how CTest is told.
"""

import os
import sys

SYSTEM_PYTHON = "/usr/bin/python3"

sys.dont_write_bytecode = True
try:
    import numpy  # noqa: F401
except ImportError:
    if os.path.exists(SYSTEM_PYTHON) and os.path.realpath(sys.executable) != os.path.realpath(
        SYSTEM_PYTHON
    ):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
    print(f"SKIP {os.path.basename(sys.argv[0])}: python3-numpy is not installed")
    sys.exit(77)
