"""The command nss-wrapper: runs the program of that name in this package."""

from __future__ import annotations

import os
import signal
import sys

from . import launcher


def main() -> None:
    """Runs the launcher in the place of this process."""
    # Python ignores these. The command is not to.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    program = str(launcher())
    os.execv(program, ["nss-wrapper", *sys.argv[1:]])


if __name__ == "__main__":
    main()
