"""Components for frameworks: each a thin form of `Searcher.search_among`, or of a searcher.

    haystack       PullquoteReader: documents in, extracted answers out
    langchain      QuoteCompressor and QuoteRetriever
    llama_index    QuotePostprocessor
    frames         predictions as a pandas DataFrame

Each module needs its framework, which pullquote does not install.
"""
