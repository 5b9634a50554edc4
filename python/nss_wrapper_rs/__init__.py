"""Users, groups and hosts of your choice for programs that are started from Python.

    env = environment(users=[User("alice", 2000)], hosts={"db.test": "127.0.0.9"})
    subprocess.run(["id", "alice"], env=env, check=True)

The answers travel in the variables themselves: no file is written, and nothing has to be removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

__all__ = ["Group", "User", "environment", "launcher", "library"]

# The kernel's limit for one variable with its name and NUL: 32 pages, execve(2).
_LONGEST = 128 << 10
_HERE = Path(__file__).resolve().parent


def library() -> Path:
    """The library, for ``LD_PRELOAD``."""
    return _HERE / "libnss_wrapper_rs.so"


def launcher() -> Path:
    """The program nss-wrapper."""
    return _HERE / "nss-wrapper"


def _line(*fields: object) -> str:
    texts = [str(field) for field in fields]
    for text in texts:
        if any(character in text for character in ":\n\0"):
            raise ValueError(f"no field may have a colon, a line break or a NUL in it: {text!r}")
    return ":".join(texts)


@dataclass(frozen=True)
class User:
    """A user, as passwd(5) has it. The group id is the user id unless it is given."""

    name: str
    uid: int
    gid: Optional[int] = None
    gecos: str = ""
    home: str = "/"
    shell: str = "/bin/sh"

    @property
    def primary_gid(self) -> int:
        """The group id."""
        return self.uid if self.gid is None else self.gid

    def __str__(self) -> str:
        return _line(self.name, "x", self.uid, self.primary_gid, self.gecos, self.home, self.shell)


@dataclass(frozen=True)
class Group:
    """A group, as group(5) has it."""

    name: str
    gid: int
    members: tuple[str, ...] = ()

    def __str__(self) -> str:
        return _line(self.name, "x", self.gid, ",".join(self.members))


def environment(
    *,
    users: Iterable[User] = (),
    groups: Iterable[Group] = (),
    hosts: Optional[Mapping[str, Union[str, Iterable[str]]]] = None,
    hostname: Optional[str] = None,
    fall_through: bool = True,
    base: Optional[Mapping[str, str]] = None,
) -> dict[str, str]:
    """The environment for a program that is to see these users, groups and hosts.

    A user's group id that none of ``groups`` has gets a group of the user's name. ``hosts`` has an
    address, or several, for each name. What is not named here is asked of the system, unless
    ``fall_through`` is false. ``base`` is the environment to start from: this process's.
    """
    env = dict(os.environ if base is None else base)
    user_list, group_list = list(users), list(groups)
    named = {group.gid for group in group_list}
    for user in user_list:
        if user.primary_gid not in named:
            named.add(user.primary_gid)
            group_list.append(Group(user.name, user.primary_gid))
    host_lines = [
        f"{address} {name}"
        for name, addresses in (hosts or {}).items()
        for address in ([addresses] if isinstance(addresses, str) else addresses)
    ]
    for line in host_lines:
        if len(line.split()) != 2 or "#" in line:
            raise ValueError(f"not an address and a name: {line!r}")
    tables = {
        "NSS_WRAPPER_PASSWD": [str(user) for user in user_list],
        "NSS_WRAPPER_GROUP": [str(group) for group in group_list],
        "NSS_WRAPPER_HOSTS": host_lines,
    }
    for variable, lines in tables.items():
        if lines:
            text = "".join(f"{line}\n" for line in lines)
            if len(variable) + len(os.fsencode(text)) + 2 > _LONGEST:
                raise ValueError(f"{variable} is longer than the kernel allows; name a file in it")
            env[variable] = text
    if hostname is not None:
        env["NSS_WRAPPER_HOSTNAME"] = hostname
    env["NSS_WRAPPER_FALLTHROUGH"] = "1" if fall_through else "0"
    own = str(library())
    if any(separator in own for separator in ": "):
        raise ValueError(f"ld.so(8) takes no path with a space or colon in it: {own}")
    others = [path for path in env.get("LD_PRELOAD", "").replace(" ", ":").split(":") if path]
    env["LD_PRELOAD"] = ":".join([own, *(path for path in others if path != own)])
    return env
