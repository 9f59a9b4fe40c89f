"""Moved to `pullquote.publishing.quantize`."""

from pullquote.deprecated import moved_module

moved_module(__name__, "pullquote.publishing.quantize")
