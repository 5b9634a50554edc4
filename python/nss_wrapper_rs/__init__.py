"""Users, groups and hosts of your choice for programs that are started from Python.

    env = environment(users=[User("alice", 2000)], hosts={"db.test": "127.0.0.9"})
    subprocess.run(["id", "alice"], env=env, check=True)

The answers are in the variables themselves: no file is written, and nothing has to be removed.
"""

from __future__ import annotations

import grp
import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

__all__ = ["Group", "User", "environment", "launcher", "library"]

# The kernel's limit for one variable with its name and NUL: 32 pages, execve(2).
_LONGEST = 128 << 10
# The configuration of the library as a service.
_SERVICE_FILE = Path("/etc/nss_wrapper_rs.conf")
_HERE = Path(__file__).resolve().parent


def library() -> Path:
    """The library, for ``LD_PRELOAD``."""
    return _HERE / "libnss_wrapper_rs.so"


def launcher() -> Path:
    """The program nss-wrapper."""
    return _HERE / "nss-wrapper"


def _line(name: str, *fields: object) -> str:
    if not name or name[0] in "+-#" or any(character in ", \t" for character in name):
        raise ValueError(f"no user and no group can have the name {name!r}")
    texts = [name, *(str(field) for field in fields)]
    for text in texts:
        if any(character == ":" or not character.isprintable() for character in text):
            raise ValueError(f"no field may have a colon or a control character in it: {text!r}")
    return ":".join(texts)


def _id(number: int) -> int:
    if not 0 <= number < 1 << 32:
        raise ValueError(f"ids are numbers of 32 bits: {number}")
    return number


def _has_gid(text: str, gid: int) -> bool:
    return any(line.split(":")[2:3] == [str(gid)] for line in text.split("\n") if line[:1] not in ("#", "+", "-"))


def _system_has_group(gid: int, names_caller: bool) -> bool:
    # If the library is preloaded here too, it names the caller's group after the user of NSS_WRAPPER_USER. For the command it
    # does not if somebody else has the caller's id there.
    line = os.environ.get("NSS_WRAPPER_USER")
    if names_caller and (line or line is None and _SERVICE_FILE.exists()):
        return _has_gid(_read("/etc/group"), gid)
    try:
        return bool(grp.getgrgid(gid).gr_name)
    except KeyError:
        return False


def _read(path: str) -> str:
    return os.fsdecode(Path(path).read_bytes())


def _content(env: Mapping[str, str], variable: str) -> str:
    """What a file's variable stands for: with a line break in it, it is the content."""
    value = env.get(variable, "")
    return value if "\n" in value or not value else _read(value)


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
        return _line(self.name, "x", _id(self.uid), _id(self.primary_gid), self.gecos, self.home, self.shell)


@dataclass(frozen=True)
class Group:
    """A group, as group(5) has it."""

    name: str
    gid: int
    members: tuple[str, ...] = ()

    def __str__(self) -> str:
        if isinstance(self.members, str):
            raise ValueError(f"members are a tuple of names, not a string: {self.members!r}")
        for member in self.members:
            _line(member)
        return _line(self.name, "x", _id(self.gid), ",".join(self.members))


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

    A user's group id that neither ``groups`` nor the system has gets a group of the user's name.
    ``hosts`` gives each name one address or several. For all other names the files that ``base`` names in the
    library's variables are asked, and the system, unless ``fall_through`` is false. ``base`` is the environment to
    start from; by default this process's.
    """
    env = dict(os.environ if base is None else base)
    user_list, group_list = list(users), list(groups)
    named = {group.gid for group in group_list}
    names_caller = os.getuid() in {user.uid for user in user_list}
    for user in user_list:
        gid = _id(user.primary_gid)
        known = fall_through and (
            _has_gid(_content(env, "NSS_WRAPPER_GROUP"), gid) or _system_has_group(gid, names_caller)
        )
        if user.primary_gid not in named and not known:
            named.add(user.primary_gid)
            group_list.append(Group(user.name, user.primary_gid))
    host_lines = [
        f"{address} {name}"
        for name, addresses in (hosts or {}).items()
        for address in ([addresses] if isinstance(addresses, str) else addresses)
    ]
    for line in host_lines:
        words = line.split()
        if len(words) != 2 or "#" in line:
            raise ValueError(f"not an address and a name: {line!r}")
        ipaddress.ip_address(words[0].split("%")[0])
    tables = {
        "NSS_WRAPPER_PASSWD": [str(user) for user in user_list],
        "NSS_WRAPPER_GROUP": [str(group) for group in group_list],
        "NSS_WRAPPER_HOSTS": host_lines,
    }
    for variable, lines in tables.items():
        if lines:
            text = "".join(f"{line}\n" for line in lines) 
            if fall_through:
                text += _content(env, variable)
            if "\0" in text:
                raise ValueError(f"the file of {variable} has a NUL byte in it")
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
