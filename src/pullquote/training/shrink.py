"""Moved to `pullquote.publishing.bit_search`."""

from pullquote.deprecated import moved_module

moved_module(__name__, "pullquote.publishing.bit_search")
