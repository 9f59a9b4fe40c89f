"""Settings of a server: batching, limits of a request, token, hosts and origins.

Knows nothing of HTTP. The limits bound memory and time whatever clients send.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from pullquote.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a server. The command line takes its defaults from here."""

    max_batch: int = 16
    """Questions read in one batch; 1 reads them one after the other."""
    max_wait_ms: float = 2.0
    """Milliseconds that a question waits for others to share its batch while workers are busy; a
    single question on an idle server does not wait."""
    max_queue: int = 256
    """Questions in the queue, and open requests; more get 503."""
    max_body: int = 2 * 2**20
    """Bytes of a request body; more get 413."""
    max_file: int = 32 * 2**20
    """Bytes of a document whose text is asked for; more get 413."""
    max_question: int = 2_000
    """Characters of a question; more get 413."""
    max_context: int = 300_000
    """Characters of a context; more get 413."""
    max_pairs: int = 64
    """Pairs of one request, questions times contexts; more get 413."""
    max_seconds: float = 30.0
    """Seconds for a body to arrive (then 408), and from arrival to answer (then 504)."""
    token: str = ""
    """The bearer token that requests must carry; empty: none is needed."""
    hosts: tuple[str, ...] = ()
    """Accepted values of the `Host` header, without ports; empty: any. Protects against DNS
    rebinding: a foreign page whose name resolves to this machine sends its own name."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may send requests (CORS), such as "https://example.org"."""

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
