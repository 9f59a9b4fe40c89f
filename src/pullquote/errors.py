"""The one exception tree: catch `PullquoteError` to catch everything pullquote raises on purpose.

    PullquoteError
    ├── InputError         a question, context or argument that cannot be answered
    ├── ConfigError        settings that contradict each other (`reader.json`, `ReaderConfig`)
    ├── DataError          a data or prediction file that is not what it should be
    ├── TextError          bytes that are no text, or text in an unknown encoding
    ├── DocumentError      a document that cannot be read, or no documents at all
    ├── IndexFileError     an index that is damaged, empty, busy, or not one of ours
    ├── ModelError         a model directory, file or name that cannot be loaded
    │   └── OldFormError   it has pickled weights, or vocab.txt alone
    ├── TrainingError      training that cannot go on, such as a loss that is NaN
    ├── DownloadError      something that the network did not give
    ├── OutputError        a file that could not be written; what stood there is untouched
    └── MissingExtraError  an optional dependency is not installed

Each message says what was found, what was expected and what to do. Warnings of the library are
`PullquoteWarning`s.
"""


class PullquoteError(Exception):
    """Base of every error that pullquote raises on purpose."""


class InputError(PullquoteError, ValueError):
    """A question, context or argument that cannot be answered."""


class ConfigError(PullquoteError, ValueError):
    """Settings that contradict each other."""


class DataError(PullquoteError, ValueError):
    """A data or prediction file that is not what it should be."""


class TextError(PullquoteError, ValueError):
    """Bytes that are no text, or text in an encoding that is not recognised."""


class DocumentError(PullquoteError, ValueError):
    """A document that cannot be read, or a folder in which there is none."""


class IndexFileError(PullquoteError):
    """An index that is damaged, empty, busy, of another version, or not one of ours."""


class ModelError(PullquoteError):
    """A model directory, file or name that cannot be loaded."""


class OldFormError(ModelError):
    """A checkpoint with pickled weights, or with vocab.txt alone; training converts it first."""


class TrainingError(PullquoteError):
    """Training that cannot go on; the last good checkpoint is kept."""


class DownloadError(PullquoteError):
    """Something that the network did not give."""


class OutputError(PullquoteError, OSError):
    """A file that could not be written; what stood there before is untouched."""


class MissingExtraError(PullquoteError, ImportError):
    """An optional dependency is not installed; the message names the extra that holds it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} is not installed. Run: pip install "pullquote[{extra}]"')


def first_line(error: BaseException) -> str:
    """What the error of a library says, without the pages that may follow."""
    line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {line[:200]}"


class PullquoteWarning(UserWarning):
    """Something was done that the caller may not have meant, such as cutting a long question."""
