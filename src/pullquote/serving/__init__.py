"""HTTP server: an ASGI application that answers questions, a web page, and uvicorn to run both.

    from pullquote import Reader
    from pullquote.serving.app import create_app
    app = create_app(Reader())                 # an ASGI application; run it with any server

    settings         batching, limits of a request, token, hosts, origins
    workers          the backend that the worker threads share; work that can be abandoned
    batcher          dynamic batching over requests; the bounded queue
    dispatcher       reads a batch: by the reader, the pipeline or for a search
    schema           pydantic models of request and response bodies
    responses        the JSON of answers
    error_responses  the JSON of errors
    limits           checks of lengths, pairs and candidates
    arrivals         bounds the bytes of bodies that are arriving
    memory           bounds the bytes that open requests hold
    services         what request handlers work with
    routes           request handlers, one module for each group of paths
    middleware       ASGI middleware: limits, authentication, timeouts, security headers
    metrics          Prometheus metrics
    page             the files of the page at `/`
    reference        the HTTP reference, rendered from the OpenAPI document
    app              puts the application together
    parser, protocol HTTP/1.1 on a connection, with limits
    processes        several processes on one port
    run              runs it with uvicorn

Importing this package imports none of them. Needs the extra `serve`.
"""
