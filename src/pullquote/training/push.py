"""Moved to `pullquote.publishing.push`."""

from pullquote.deprecated import moved_module

moved_module(__name__, "pullquote.publishing.push")
