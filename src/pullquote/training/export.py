"""Moved to `pullquote.publishing.export`."""

from pullquote.deprecated import moved_module

moved_module(__name__, "pullquote.publishing.export")
