"""A Ray cluster: the library, the connection, and the errors of its workers.

    ray = library()
    with connected(ray), worker_errors(ray, "the model"):
        ...                         # ConfigError without a cluster, and for a worker that fails

Knows Ray, and not what is done there.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

from pullquote.errors import ConfigError, MissingExtraError, first_line


def library() -> Any:
    """Ray with Ray Data. Raises `MissingExtraError` where it is not installed."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns that it will
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what Ray repeats is no error of ours
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that it starts tells nobody
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    return ray


@contextlib.contextmanager
def connected(ray: Any) -> Iterator[None]:
    """Connect to the cluster at `RAY_ADDRESS`, or start one of this machine, unless there is one.

    Raises `ConfigError` where there is none.
    """
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = os.environ.get("RAY_ADDRESS") or "this machine"
        raise ConfigError(f"no Ray cluster at {where} ({first_line(error)})") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def worker_errors(ray: Any, needs: str) -> Iterator[None]:
    """Raise `ConfigError` where Ray gives up; `needs` is what a machine has to have."""
    try:
        yield
    except ray.exceptions.RayError as error:
        *_, last = str(error).strip().splitlines() or [""]
        raise ConfigError(
            f"a worker of Ray failed ({last[:200]}); each machine needs pullquote, {needs} under "
            "the same paths"
        ) from error
