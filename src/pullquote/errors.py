"""Exceptions and warnings. Catch `PullquoteError` to catch every error that pullquote raises.

    PullquoteError
    ├── InputError         a question, context or argument that cannot be answered
    ├── ConfigError        settings that contradict each other (`reader.json`, `ReaderConfig`)
    ├── DataError          a malformed data or prediction file
    ├── DocumentError      a document that cannot be read, or no documents at all
    ├── IndexFileError     an index that is damaged, empty, busy, or not made by pullquote
    ├── ModelError         a model directory, file or name that cannot be loaded
    │   └── OldFormError   a checkpoint with pickled weights, or with vocab.txt only
    ├── TrainingError      training that cannot go on, for example with a NaN loss
    ├── DownloadError      a download that failed
    ├── OutputError        a file that could not be written; an older file stays unchanged
    └── MissingExtraError  an optional dependency is not installed

Each message says what was found, what was expected and what to do. Warnings are
`PullquoteWarning`s.
"""


class PullquoteError(Exception):
    """Base of every error that pullquote raises on purpose."""


class InputError(PullquoteError, ValueError):
    """A question, context or argument that cannot be answered."""


class ConfigError(PullquoteError, ValueError):
    """Settings that contradict each other."""


class DataError(PullquoteError, ValueError):
    """A malformed data or prediction file."""


class DocumentError(PullquoteError, ValueError):
    """A document that cannot be read, or a folder without documents."""


class IndexFileError(PullquoteError):
    """An index that is damaged, empty, busy, of another version, or not made by pullquote."""


class ModelError(PullquoteError):
    """A model directory, file or name that cannot be loaded."""


class OldFormError(ModelError):
    """A checkpoint with pickled weights, or with vocab.txt only; training converts it first."""


class TrainingError(PullquoteError):
    """Training that cannot go on; the last good checkpoint is kept."""


class DownloadError(PullquoteError):
    """A download that failed."""


class OutputError(PullquoteError, OSError):
    """A file that could not be written; an older file of that name stays unchanged."""


class MissingExtraError(PullquoteError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} is not installed. Run: pip install "pullquote[{extra}]"')


def first_line(error: BaseException) -> str:
    """The type and the first line of another library's error, at most 200 characters of it."""
    line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {line[:200]}"


class PullquoteWarning(UserWarning):
    """A result that the caller may not expect, such as a long question that was cut."""
