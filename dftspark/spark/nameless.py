"""Starts Spark for a user whose number has no name, as in containers with random user ids.

Hadoop asks the system for the name, and Java for the home folder; without them Spark ends before
its context is there. No setting of either helps, so the login is made by hand.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway


def name() -> str | None:
    """Returns a name for this process's user if the system has none; None if it has one."""
    try:
        import pwd
    except ModuleNotFoundError:  # Windows names all of its users
        return None
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return f"uid-{os.getuid()}"
    return None


def begin(named: str, app: str, master: str, settings: Mapping[str, str]) -> None:
    """Starts the context, which sessions then use, for a user who is logged in under that name."""
    os.environ.setdefault("USER", named)  # Python's packages ask for it too
    os.environ.setdefault("HOME", tempfile.gettempdir())
    conf = SparkConf().setAppName(app).setMaster(master).setAll(list(settings.items()))
    if SparkContext._gateway is not None:  # Java runs already, and its user is logged in
        SparkContext(conf=conf)
        return
    gateway = launch_gateway(conf)  # type: ignore[no-untyped-call]
    users = gateway.jvm.org.apache.hadoop.security.UserGroupInformation
    users.setLoginUser(users.createRemoteUser(named))
    SparkContext(conf=conf, gateway=gateway)


def options(named: str) -> str:
    """Returns Java's options for such a user."""
    home = os.environ.get("HOME", tempfile.gettempdir())
    return f'-Duser.name={named} "-Duser.home={home}"'
