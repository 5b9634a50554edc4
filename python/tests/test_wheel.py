"""The installed wheel: run by ci/wheel in a fresh environment."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nss_wrapper_rs import Group, User, environment, library

FakeUsers = Callable[..., dict[str, str]]


def said(env: dict[str, str], *command: str) -> str:
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()


def test_a_program_sees_the_users_and_groups(fake_users: FakeUsers) -> None:
    env = fake_users(users=[User("alice", 2000)], groups=[Group("lab", 77, ("alice",))])
    assert said(env, "id", "alice") == "uid=2000(alice) gid=2000(alice) groups=2000(alice),77(lab)"


def test_a_program_sees_the_hosts(fake_users: FakeUsers) -> None:
    env = fake_users(hosts={"db.test": ["127.0.0.9"]}, hostname="box")
    code = "import socket; print(socket.gethostbyname('db.test'), socket.gethostname())"
    assert said(env, sys.executable, "-c", code) == "127.0.0.9 box"
    with pytest.raises(OSError):
        socket.gethostbyname("db.test")


def test_the_systems_users_stay_unless_they_are_to_go() -> None:
    assert said(environment(users=[User("bob", 1)]), "id", "-u", "root") == "0"
    env = environment(users=[User("bob", 1)], fall_through=False)
    assert subprocess.run(["id", "-u", "root"], env=env, capture_output=True).returncode != 0


def test_a_group_of_the_system_keeps_its_name(fake_users: FakeUsers) -> None:
    env = fake_users(users=[User("alice", 2000, 0)])
    assert said(env, "id", "alice") == "uid=2000(alice) gid=0(root) groups=0(root)"
    env = fake_users(users=[User("alice", 2000, 0)], fall_through=False)
    assert said(env, "id", "alice") == "uid=2000(alice) gid=0(alice) groups=0(alice)"


def test_the_files_of_the_base_environment_stay_unless_they_are_to_go(tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text("bob:x:7:8::/:/bin/sh\n")
    base = {**os.environ, "NSS_WRAPPER_PASSWD": str(passwd), "NSS_WRAPPER_GROUP": "lab:x:2000:\n"}
    env = environment(users=[User("alice", 2000)], base=base)
    assert said(env, "id", "alice") == "uid=2000(alice) gid=2000(lab) groups=2000(lab)"
    assert said(env, "id", "-u", "bob") == "7"
    env = environment(users=[User("alice", 2000)], base=base, fall_through=False)
    assert said(env, "id", "alice") == "uid=2000(alice) gid=2000(alice) groups=2000(alice)"
    assert subprocess.run(["id", "-u", "bob"], env=env, capture_output=True).returncode != 0


def test_the_callers_group_has_a_name_where_the_image_named_the_caller() -> None:
    as_10000 = ["unshare", "--map-user=10000", "--map-group=10000", "--"]
    try:
        subprocess.run([*as_10000, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no user namespace: {error}")
    code = (
        "import subprocess; from nss_wrapper_rs import User, environment\n"
        "for user in User('magic', 10000), User('other', 7, 10000):"
        " subprocess.run(['id', '-gn'], env=environment(users=[user]), check=True)"
    )
    env = {**os.environ, "LD_PRELOAD": str(library()), "NSS_WRAPPER_USER": "app:x:%u:%g::/:/bin/sh"}
    assert said(env, *as_10000, sys.executable, "-c", code) == "magic\napp"


def test_groups_are_listed_both_ways(fake_users: FakeUsers) -> None:
    env = fake_users(users=[User("alice", 2000, home="/home/a b")], groups=[Group("lab", 77, ("alice", "bob"))])
    code = (
        "import grp, os, pwd; print(grp.getgrgid(77)[3], grp.getgrnam('lab')[2], pwd.getpwnam('alice')[5],"
        " os.getgrouplist('alice', 5), [g[0] for g in grp.getgrall()].count('lab'))"
    )
    assert said(env, sys.executable, "-c", code) == "['alice', 'bob'] 77 /home/a b [5, 77] 1"


@pytest.mark.parametrize("name", ["", "a:b", "a\nroot:x:0:0:::", "+", "#a", "a b", "a,b", "a\x00"])
def test_what_would_be_another_line_or_field_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        environment(users=[User(name, 1)])
    with pytest.raises(ValueError):
        environment(groups=[Group(name, 1)])
    with pytest.raises(ValueError):
        environment(groups=[Group("a", 1, (name,))])


def test_a_string_is_no_list_of_members() -> None:
    with pytest.raises(ValueError):
        environment(groups=[Group("lab", 77, "alice")])  # type: ignore[arg-type]


def test_what_is_no_id_and_no_host_is_refused() -> None:
    for uid in (-1, 1 << 32):
        with pytest.raises(ValueError):
            environment(users=[User("a", uid)])
    for name, address in (("two names", "127.0.0.1"), ("a#", "::1"), ("a", "10.0.0"), ("", "::1")):
        with pytest.raises(ValueError):
            environment(hosts={name: address})
    with pytest.raises(ValueError):
        environment(users=[User(f"user{uid}", uid) for uid in range(9000)])


def test_what_is_preloaded_stays_behind_the_library() -> None:
    env = environment(base={"LD_PRELOAD": "a.so b.so"})
    assert env["LD_PRELOAD"] == f"{library()}:a.so:b.so"
    assert environment(base=env)["LD_PRELOAD"] == env["LD_PRELOAD"]


def test_the_command_ignores_no_signal_that_only_python_ignores(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nss_wrapper_rs", "--", "ls", "/"]
    reader, writer = os.pipe()
    os.close(reader)
    assert subprocess.run(command, stdout=writer).returncode == -signal.SIGPIPE
    os.close(writer)

    def no_file_may_grow() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    with open(tmp_path / "file", "w") as file:
        out = subprocess.run(command, stdout=file, preexec_fn=no_file_may_grow)
    assert out.returncode == -signal.SIGXFSZ


def test_what_the_static_launcher_cannot_do_is_said() -> None:
    command = [sys.executable, "-m", "nss_wrapper_rs", "--explain", "user", "root"]
    out = subprocess.run(command, capture_output=True, text=True)
    assert (out.returncode, "this one is static" in out.stderr) == (125, True)


def test_the_command_is_the_launcher() -> None:
    command = [sys.executable, "-m", "nss_wrapper_rs", "--user", "magic:4242", "--", "id", "-u", "magic"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "4242\n"
