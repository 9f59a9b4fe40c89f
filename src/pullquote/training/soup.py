"""Moved to `pullquote.publishing.average`."""

from pullquote.deprecated import moved_module

moved_module(__name__, "pullquote.publishing.average")
