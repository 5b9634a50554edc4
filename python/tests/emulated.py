"""The wheel of another architecture, by that one's Python: emulated.py EMULATOR, beside the wheel."""

from __future__ import annotations

import platform
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Optional

emulator = sys.argv[1]
wheel = next(Path(__file__).resolve().parent.glob("*.whl"))
assert f"manylinux_2_17_{platform.machine()}." in wheel.name and f"musllinux_1_1_{platform.machine()}" in wheel.name
site = Path("/tmp/site")
zipfile.ZipFile(wheel).extractall(site)
sys.path.insert(0, str(site))
from nss_wrapper_rs import Group, User, environment, launcher  # noqa: E402


def said(command: list[str], env: Optional[dict[str, str]] = None) -> str:
    """What a program says that the emulator runs."""
    return subprocess.run([emulator, *command], env=env, check=True, capture_output=True, text=True).stdout.strip()


env = environment(users=[User("alice", 2000)], groups=[Group("lab", 77, ("alice",))], hosts={"db.test": "127.0.0.9"})
assert said(["/usr/bin/id", "alice"], env) == "uid=2000(alice) gid=2000(alice) groups=2000(alice),77(lab)"
code = "import pwd, socket; print(pwd.getpwuid(2000)[0], socket.gethostbyname('db.test'))"
assert said([sys.executable, "-c", code], env) == "alice 127.0.0.9"
launcher().chmod(0o755)
command = [str(launcher()), "--user", "magic:4242", "--", emulator, "/usr/bin/id", "-u", "magic"]
assert said(command) == "4242"
print("ok -", wheel.name)
