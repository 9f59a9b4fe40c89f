"""HTTP: an application that answers questions, its page, and the process that serves both.

    from pullquote import Reader
    from pullquote.serving.app import create_app
    app = create_app(Reader())                 # an ASGI application; run it with any server

    settings   what a request may ask for, and how much waits
    lanes      the threads that read, and a backend that can be stopped between batches
    gather     many requests into one batch; the bounded queue
    work       what a request asks of the reader or of transformers' pipeline
    schema     the JSON that comes in and goes out
    problems   the one shape of errors
    guard      limits, token, time, disconnects; headers of safety
    metrics    what Prometheus reads
    page       the page at `/`, from memory
    reference  the HTTP reference, from the OpenAPI document
    app, run   puts them together; serves them

Importing this package imports none of it. Needs the extra `serve`.
"""
