"""Moved to `pullquote.publishing.card`."""

from pullquote.deprecated import moved_module

moved_module(__name__, "pullquote.publishing.card")
