"""Renders the OpenAPI document as an HTTP reference: Markdown for the docs, HTML for `/docs`.

Knows OpenAPI as FastAPI writes it, nothing of the application. The HTML has no scripts and loads
nothing from other servers.

    markdown(create_app(reader).openapi())
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Text | Code | Table


def blocks(document: Document) -> Iterator[Block]:
    """The content of the reference, in order; in its texts, backticks mark code."""
    yield Text(document["info"]["description"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield Heading(2, f"{method.upper()} {path}")
            yield Text(operation["summary"])
            if "description" in operation:
                yield Text(operation["description"])
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body:
                yield from _request(path, body["schema"], document)
            yield from _responses(operation["responses"], document)
    yield Heading(2, "Objects")
    for name, schema in document["components"]["schemas"].items():
        if "properties" in schema and name not in ("HTTPValidationError", "ValidationError"):
            yield Heading(3, name)
            yield Text(schema.get("description", ""))
            yield _fields(schema)


def markdown(document: Document) -> str:
    """The reference in Markdown."""
    parts = []
    for block in blocks(document):
        if isinstance(block, Heading):
            parts.append(f"{'#' * block.level} {block.text}")
        elif isinstance(block, Text):
            parts.append(" ".join(block.text.split()))
        elif isinstance(block, Code):
            parts.append(f"```{block.language}\n{block.text}\n```")
        else:
            rows = (block.head, tuple("---" for _ in block.head), *block.rows)
            parts.append("\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows))
    return "\n\n".join(part for part in parts if part) + "\n"


def html(document: Document) -> str:
    """The reference as a complete HTML page."""
    parts = []
    for block in blocks(document):
        if isinstance(block, Heading):
            parts.append(f"<h{block.level}>{_inline(block.text)}</h{block.level}>")
        elif isinstance(block, Text):
            parts.append(f"<p>{_inline(block.text)}</p>")
        elif isinstance(block, Code):
            parts.append(f"<pre tabindex=0><code>{escape(block.text)}</code></pre>")
        else:
            head = "".join(f"<th scope=col>{_inline(cell)}</th>" for cell in block.head)
            rows = "".join(
                f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>"
                for row in block.rows
            )
            parts.append(
                f"<div class=wide tabindex=0><table><thead><tr>{head}</tr></thead>"
                f"<tbody>{rows}</tbody></table></div>"
            )
    title = f"{document['info']['title']} over HTTP"
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n"
        '<link rel="icon" href="icon.svg">\n<link rel="stylesheet" href="page.css">\n'
        f'<main class="reference">\n<h1>{escape(title)}</h1>\n'
        '<p><a href="./">The page</a> · <a href="openapi.json">OpenAPI</a></p>\n'
        + "\n".join(parts)
        + "\n</main>\n</html>\n"
    )


def _request(path: str, schema: Document, document: Document) -> Iterator[Block]:
    example = json.dumps(_example(schema, document), ensure_ascii=False)
    address = f"http://127.0.0.1:8000{path}"
    yield Code(f"curl {address} -H 'content-type: application/json' \\\n  -d '{example}'", "sh")
    yield _fields(_resolved(schema, document))


def _responses(responses: Document, document: Document) -> Iterator[Block]:
    errors = []
    for status, response in responses.items():
        content = response.get("content", {}).get("application/json", {})
        if status < "400" and content.get("schema"):
            example = _example(content["schema"], document)
            yield Code(json.dumps(example, ensure_ascii=False, indent=2), "json")
        elif status >= "400":
            errors.append((status, response["description"]))
    if errors:
        yield Table(("status", "`code` and meaning"), tuple(errors))


def _fields(schema: Document) -> Table:
    needed = schema.get("required", ())
    rows = []
    for name, field in schema["properties"].items():
        default = "needed" if name in needed else f"`{json.dumps(field.get('default'))}`"
        if name not in needed and "default" not in field:
            default = ""
        rows.append((f"`{name}`", _type(field), default, field.get("description", "")))
    return Table(("name", "type", "default", ""), tuple(rows))


def _type(schema: Document) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if forms := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(dict.fromkeys(_type(one) for one in forms))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    bounds = [
        f"{sign} {schema[name]:,.0f}"
        for name, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"))
        if name in schema
    ]
    return " ".join([schema.get("type", "anything"), ", ".join(bounds)]).strip()


def _resolved(schema: Document, document: Document) -> Document:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _example(schema: Document, document: Document) -> Any:
    """An example value; for an object, the examples of those fields that have one."""
    schema = _resolved(schema, document)
    if schema.get("examples"):
        return schema["examples"][0]
    if forms := schema.get("anyOf", schema.get("oneOf")):
        return _example(forms[0], document)
    if schema.get("type") == "array":
        return [_example(schema["items"], document)]
    if "properties" in schema:
        fields = {name: _example(field, document) for name, field in schema["properties"].items()}
        given = {name for name, field in schema["properties"].items() if "examples" in field}
        return {name: value for name, value in fields.items() if name in given or value is not None}
    return None


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _inline(text: str) -> str:
    """Escaped for HTML, with backticks turned into <code>."""
    pieces = escape(" ".join(text.split())).split("`")
    return "".join(f"<code>{one}</code>" if odd % 2 else one for odd, one in enumerate(pieces))
