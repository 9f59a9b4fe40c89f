"""The OpenAPI document is kept to: many made requests, good and bad; none of them ends in a 5xx."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving_helpers import Server

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
PATHS = {"/", "/v1/answer", "/v1/ask", "/v1/text", "/v1/model", "/healthz", "/readyz", "/metrics"}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_made_requests_are_answered_as_documented(server: Server, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    seen = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        seen.add(operation.path)
        if mode is GenerationMode.NEGATIVE and operation.method == "get":
            continue  # takes nothing that could be bad

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=80 if operation.method == "post" else 3,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=CHECKS)

        check()
    assert seen == PATHS
