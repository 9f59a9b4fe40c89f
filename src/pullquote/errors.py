"""Exceptions. Catch `PullquoteError` to catch every error that pullquote raises on purpose.

    PullquoteError
    ├── InputError         a question, context or argument that is not valid
    ├── ConfigError        settings that contradict each other (`reader.json`, `ReaderConfig`)
    ├── DataError          a data or prediction file that is not valid
    ├── TextError          bytes that are not text, or text in an unknown encoding
    ├── DocumentError      a document that cannot be read, or a folder without documents
    ├── IndexFileError     an index that is damaged or empty, or another kind of file
    │   ├── IndexBusyError an index that another process is writing to
    │   └── IndexUnreachableError  an index whose server does not answer, or was cut off
    ├── ModelError         a model directory, file or name that cannot be loaded
    │   └── OldFormError   a checkpoint with pickled weights, or without a tokenizer.json
    ├── TrainingError      training that cannot continue, for example because the loss is NaN
    ├── DownloadError      a download or upload that failed
    ├── OutputError        a file that could not be written; an older file is unchanged
    └── MissingExtraError  an optional dependency is not installed

Each message says what was found, what was expected and what to do. All warnings of the library are
of the category `PullquoteWarning`.
"""


class PullquoteError(Exception):
    """Base class of all errors that pullquote raises on purpose.

    >>> from pullquote import PullquoteError, Reader
    >>> try:
    ...     Reader("no-such-model")
    ... except PullquoteError as error:
    ...     print(type(error).__name__)
    ModelError
    """


class InputError(PullquoteError, ValueError):
    """A question, context or argument that is not valid."""


class ConfigError(PullquoteError, ValueError):
    """Settings that contradict each other."""


class DataError(PullquoteError, ValueError):
    """A data or prediction file that is not valid."""


class TextError(PullquoteError, ValueError):
    """Bytes that are no text, or text in an encoding that is not recognised."""


class DocumentError(PullquoteError, ValueError):
    """A document that cannot be read, or a folder without documents."""


class IndexFileError(PullquoteError):
    """An index that is damaged, empty or of another version, or another kind of file."""


class IndexBusyError(IndexFileError):
    """An index that another process is writing to; it is sound, and can be used later."""


class IndexUnreachableError(IndexFileError):
    """An index whose server or process cannot be reached, or a connection to it that was cut.

    What was committed stays: the same call can be made again, and goes on from there.
    """


class ModelError(PullquoteError):
    """A model directory, file or name that cannot be loaded."""


class OldFormError(ModelError):
    """A checkpoint with pickled weights, or without a tokenizer.json; training converts it."""


class TrainingError(PullquoteError):
    """Training that cannot continue; the last good checkpoint is kept."""


class DownloadError(PullquoteError):
    """A download or upload that failed."""


class OutputError(PullquoteError, OSError):
    """A file that could not be written; an older file of that name is unchanged."""


class MissingExtraError(PullquoteError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""

    def __init__(self, what: str, extra: str) -> None:
        self.what, self.extra = what, extra
        super().__init__(f'{what} is not installed. Run: pip install "pullquote[{extra}]"')

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as what it was made of."""
        return MissingExtraError, (self.what, self.extra)


def shown(value: object) -> str:
    """How a message shows a value that it found: as Python prints it, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def first_line(error: BaseException) -> str:
    """The first line of another library's error message, with the error's type."""
    line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {line[:200]}"


class PullquoteWarning(UserWarning):
    """Category of all warnings of pullquote, such as that a long question was cut.

    >>> import warnings
    >>> from pullquote import PullquoteWarning
    >>> warnings.simplefilter("error", PullquoteWarning)  # raise them instead
    """
