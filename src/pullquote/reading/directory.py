"""Moved to `pullquote.checkpoints.directory`."""

from pullquote.deprecated import moved_module

moved_module(__name__, "pullquote.checkpoints.directory")
