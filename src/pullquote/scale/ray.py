"""The engine of a Ray cluster: blocks of rows are answered on many machines.

    batch(Reader(threads=1), "s3://bucket/in/*.parquet", "s3://bucket/out", engine=RayEngine())

A pipeline of Ray Data: a task for each file reads blocks of it, and actors, each with a reader of
its own, answer them into files. What Ray repeats after the loss of a worker or a machine gives the
same files again. Knows Ray Data, and nothing of questions.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import pickle
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pullquote.data.tables import pyarrow
from pullquote.errors import ConfigError, PullquoteError
from pullquote.scale.blocks import blocks_of
from pullquote.scale.ray_cluster import connected, library, worker_errors

if TYPE_CHECKING:
    from pullquote.scale.blocks import Answered, Job
    from pullquote.scale.plan import Source

_FILES = 32  # that are read at once; what is read waits for the answers most of the time
# Of Ray's object store, for each CPU: a block of 2,048 paragraphs of SQuAD takes 2 MB. Without a
# limit, Ray reads on until half of its store is full, a seventh of all memory.
_WAITING = 64 * 2**20


@dataclass(frozen=True, slots=True)
class RayEngine:
    """Answers on a Ray cluster: the one at `RAY_ADDRESS`, or else one of this machine alone.

    >>> from pullquote.scale.ray import RayEngine
    >>> RayEngine(workers=8, cpus=2).workers
    8

    Machines need pullquote, Ray, the model, and the files of questions and results under the same
    paths or URLs. A process that is connected to a cluster already uses that one. Raises
    `ConfigError` without a cluster, and the errors of its workers.
    """

    workers: int | None = None
    """The most actors, each with a reader; None for as many as there are CPUs for."""
    cpus: float = 1
    """CPUs of an actor; make the reader with as many `threads`."""
    gpus: float = 0
    """GPUs of an actor."""
    resources: tuple[tuple[str, float], ...] = ()
    """Custom resources of an actor, such as (("reader", 1),)."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers is {self.workers}, expected 1 or more")
        if self.cpus <= 0 or self.gpus < 0:
            raise ConfigError(f"cpus is {self.cpus}, expected above 0; gpus {self.gpus}, 0 or more")

    def __call__(self, job: Job, sources: Sequence[Source]) -> Generator[Answered, None, None]:
        """Yield what became of each block, as they get ready."""
        ray = library()
        with connected(ray), worker_errors(ray, "the model and the files"), _settings(ray):
            files = ray.data.from_items(
                [{"file": file} for file in range(len(sources))],
                override_num_blocks=len(sources),
            )
            blocks = files.map_batches(
                _Reading(tuple(sources), job.rows, job.done).blocks,
                batch_size=1,
                batch_format="pyarrow",
                concurrency=min(_FILES, len(sources)),
                num_cpus=0,  # or what is read again after a loss waits for CPUs that actors hold
            )
            answered = blocks.map_batches(
                _Answering,
                fn_constructor_args=(job,),
                batch_size=1,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=self.workers),
                num_cpus=self.cpus,
                num_gpus=self.gpus or None,
                resources=dict(self.resources) or None,
            )
            for row in answered.iter_rows():
                result = pickle.loads(row["answered"])
                if isinstance(result, PullquoteError):
                    raise result
                yield result


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads files. Its blocks are the same ones each time, or Ray could not repeat it."""

    sources: tuple[Source, ...]
    rows: int
    done: frozenset[str]

    def blocks(self, files: Any) -> Iterator[Any]:
        for file in files["file"].to_pylist():
            try:
                for block in blocks_of(file, self.sources, self.rows, self.done):
                    yield _packed("block", block)
            except PullquoteError as error:  # handed on: of errors that are raised Ray keeps a text
                yield _packed("block", error)


class _Answering:
    """An actor: loads the reader once, and answers blocks."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, blocks: Any) -> Any:
        (packed,) = blocks["block"].to_pylist()
        block = pickle.loads(packed)
        try:
            result = block if isinstance(block, PullquoteError) else self.job.answer(block)
        except PullquoteError as error:
            result = error
        return _packed("answered", result)


def _packed(name: str, value: object) -> Any:
    """A table with one row: what Ray Data carries."""
    pa, _ = pyarrow()
    return pa.table({name: pa.array([pickle.dumps(value)], pa.large_binary())})


@contextlib.contextmanager
def _settings(ray: Any) -> Iterator[None]:
    """Change Ray Data's settings while the pipeline runs."""
    context = ray.data.DataContext.get_current()
    execution = copy.copy(context.execution_options)
    waiting = _WAITING * max(1, int(ray.cluster_resources().get("CPU", 1)))
    execution.resource_limits = execution.resource_limits.copy(
        object_store_memory=min(waiting, execution.resource_limits.object_store_memory)
    )
    wanted = {
        "execution_options": execution,
        "target_max_block_size": 1,  # byte: rows, which are blocks of ours, are never put together
        "enable_progress_bars": False,
        "print_on_execution_start": False,
    }
    before = {name: getattr(context, name) for name in wanted}
    for name, value in wanted.items():
        setattr(context, name, value)
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)
