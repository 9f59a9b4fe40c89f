"""Tools for language models that act: the documents of an index, over the Model Context Protocol.

`tools` says what the tools do, and knows nothing of the protocol; `server` offers them with the
protocol's official SDK.
"""
