"""The fixture ``fake_users``."""

from __future__ import annotations

from typing import Callable

import pytest

from . import environment


@pytest.fixture
def fake_users() -> Callable[..., dict[str, str]]:
    """Gives the environment for a subprocess that sees the users, groups and hosts that it is called with.

    The arguments are those of :func:`nss_wrapper_rs.environment`.
    """
    return environment
