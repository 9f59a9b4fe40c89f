"""Moved to `pullquote.publishing.unpack`."""

from pullquote.deprecated import moved_module

moved_module(__name__, "pullquote.publishing.unpack")
