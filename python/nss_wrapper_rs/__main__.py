"""The command nss-wrapper: runs the program of that name in this package."""

from __future__ import annotations

import os
import sys

from . import launcher


def main() -> None:
    """Runs the launcher in the place of this process."""
    program = str(launcher())
    os.execv(program, ["nss-wrapper", *sys.argv[1:]])


if __name__ == "__main__":
    main()
