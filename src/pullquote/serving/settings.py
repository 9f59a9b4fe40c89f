"""What a server allows: the limits of a request, what waits, who may ask.

Knows nothing of HTTP; every limit is there so that memory and time are bounded whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from pullquote.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits of a server. The only defaults there are."""

    max_batch: int = 16
    """Questions that are read in one batch; 1 reads one request after the other."""
    max_wait_ms: float = 2.0
    """How long a question waits for others to share its batch; a lone one never does."""
    max_queue: int = 256
    """Questions that wait, and requests that are open; more are turned away with 503."""
    max_body: int = 2 * 2**20
    """Bytes of a request."""
    max_question: int = 2_000
    """Characters of a question."""
    max_context: int = 300_000
    """Characters of a context."""
    max_pairs: int = 64
    """Questions times contexts of one request."""
    max_seconds: float = 30.0
    """From a request's arrival to its answer; then 504."""
    token: str = ""
    """What `Authorization: Bearer` has to name; empty asks for nothing."""
    hosts: tuple[str, ...] = ()
    """Names, without ports, under which it answers; empty: any. A page on the network whose name is
    made to lead here (DNS rebinding) comes with its own."""
    origins: tuple[str, ...] = ()
    """Other sites whose pages may ask (CORS), such as "https://example.org"."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type in ("int", "float") and not 0 < value <= 10**9:
                if field.name == "max_wait_ms" and value == 0:
                    continue
                raise ConfigError(f"{field.name} is {value}, expected a number above 0")
        if self.token and not (self.token.isascii() and self.token.isprintable()):
            raise ConfigError(
                "the token has characters that an HTTP header cannot hold; expected letters, "
                "digits and signs of ASCII, such as: openssl rand -hex 32"
            )
        for origin in self.origins:
            scheme, _, host = origin.partition("://")
            if origin != "*" and (scheme not in ("http", "https") or not host or "/" in host):
                raise ConfigError(
                    f"the origin is {origin!r}, expected a scheme and a host without a path, such "
                    'as "https://example.org", or "*" for every site'
                )
