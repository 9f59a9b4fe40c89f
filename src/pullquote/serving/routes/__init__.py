"""Request handlers, one module for each group of paths; each module has an `APIRouter`.

    questions   POST /v1/answer, POST /
    search      POST /v1/ask
    documents   POST /v1/text
    model       GET /v1/model
    operation   GET /healthz, /readyz, /metrics
    agents      POST /mcp, where it is asked for
    pages       GET / with its files, /docs

A handler is a plain function of the request body, the application's `Services` and, where it reads
texts, the `Account` of the request:

    body = AnswerRequest(question="Who?", context="Rollo.")
    response = await questions.answer(body, services, account)
"""
