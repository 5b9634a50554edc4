"""The installed wheel: run by ci/wheel in a fresh environment."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from nss_wrapper_rs import Group, User, environment

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


def test_a_field_that_would_be_two_is_refused() -> None:
    with pytest.raises(ValueError):
        environment(users=[User("a:b", 1)])
    with pytest.raises(ValueError):
        environment(hosts={"two names": "127.0.0.1"})


def test_the_command_is_the_launcher() -> None:
    command = [sys.executable, "-m", "nss_wrapper_rs", "--user", "magic:4242", "--", "id", "-u", "magic"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "4242\n"
