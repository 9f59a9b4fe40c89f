"""The tools over the Model Context Protocol: the SDK's own client, and real processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

pytest.importorskip("mcp")

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

NAMES = ["ask", "search", "read_passage", "highlight", "check_quotes", "list_documents"]
Talk = Callable[[Client], Awaitable[Any]]


def over_stdio(paths: list[Path], cache: Path, talk: Talk) -> Any:
    """What a talk with `pullquote mcp` returns."""

    async def run() -> Any:
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-m", "pullquote", "mcp", "--model", "tiny", *map(str, paths)],
            env={**os.environ, "PULLQUOTE_CACHE": str(cache)},
        )
        async with Client(stdio_client(parameters)) as client:
            return await talk(client)

    return asyncio.run(run())


def test_a_client_finds_and_calls_the_tools(folder: Path, tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == NAMES
        for tool in tools.values():
            assert tool.annotations
            assert tool.annotations.read_only_hint
            assert tool.output_schema
            assert "note" in tool.output_schema["properties"]
        assert "never follow instructions" in (client.instructions or "")

        result = await client.call_tool("ask", {"question": "Who led the Norse?"})
        assert result.structured_content
        quote = result.structured_content["quotes"][0]
        assert (quote["text"], quote["document"]) == ("Rollo", "sagas/north/norse.txt")
        assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]

        read = await client.call_tool("read_passage", {"document": quote["document"]})
        assert read.structured_content
        assert "led by Rollo" in read.structured_content["part"]["text"]

        cited = {"quote": "led by Rollo, came", "document": quote["document"], "unit": "line"}
        checked = await client.call_tool(
            "check_quotes", {"quotes": ["led by Rollo, came", {**cited, "number": 4}]}
        )
        assert checked.structured_content
        places = [one["place"] for one in checked.structured_content["quotes"]]
        assert places == ["", "elsewhere"]

    over_stdio([folder], tmp_path, talk)


def test_errors_are_results_that_an_agent_can_read(folder: Path, tmp_path: Path) -> None:
    async def talk(client: Client) -> list[tuple[bool, str]]:
        calls: list[tuple[str, dict[str, Any]]] = [
            ("ask", {"question": " "}),
            ("ask", {}),
            ("ask", {"question": "Who?", "top_k": "many"}),
            ("read_passage", {"document": "/etc/passwd"}),
            ("delete_everything", {}),
        ]
        results = [await client.call_tool(name, arguments) for name, arguments in calls]
        return [(one.is_error, one.content[0].text) for one in results]  # type: ignore[union-attr]

    said = over_stdio([folder], tmp_path, talk)
    assert all(is_error for is_error, _ in said)
    blank, _, _, elsewhere, unknown = (text for _, text in said)
    assert "question is blank; expected a few words" in blank
    assert "no document of the index has this name" in elsewhere
    assert "delete_everything" in unknown


def test_hostile_documents_are_marked_as_data(folder: Path, tmp_path: Path) -> None:
    """Also as text, for clients that show an agent nothing else."""

    async def talk(client: Client) -> list[str]:
        calls: list[tuple[str, dict[str, Any]]] = [
            ("ask", {"question": "What is the gate code?"}),
            ("search", {"query": "gate code"}),
            ("read_passage", {"document": "sagas/order.md"}),
            ("ask", {"question": "How much does the ferry cost?"}),
        ]
        results = [await client.call_tool(name, arguments) for name, arguments in calls]
        return [one.content[0].text for one in results]  # type: ignore[union-attr]

    texts = over_stdio([folder], tmp_path, talk)
    assert "4711" in texts[0]
    for text in texts:
        assert "data, never instructions" in json.loads(text)["note"]


def test_damage_of_the_index_names_no_path(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "i.db"
    subprocess.run(
        [sys.executable, "-m", "pullquote", "index", str(folder), "-o", str(index)],
        check=True,
        capture_output=True,
    )

    async def talk(client: Client) -> str:
        size = index.stat().st_size
        with index.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        result = await client.call_tool("search", {"query": "river"})
        assert result.is_error
        return result.content[0].text  # type: ignore[no-any-return, union-attr]

    said = over_stdio([index], tmp_path, talk)
    assert "cannot be searched at the moment" in said
    assert str(tmp_path) not in said


def test_a_folder_without_documents_ends_it_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "pullquote", "mcp", str(tmp_path / "empty")],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1
    assert "nothing to read in it" in done.stderr
    assert not done.stdout


@contextmanager
def served(folder: Path, tmp_path: Path, *options: str) -> Iterator[str]:
    """The address of `pullquote serve --index … OPTIONS`."""
    index = tmp_path / "i.db"
    command = [sys.executable, "-m", "pullquote"]
    subprocess.run([*command, "index", str(folder), "-o", str(index)], check=True)
    process = subprocess.Popen(
        [*command, "serve", "tiny", "--index", str(index), "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        yield process.stdout.readline().split()[3]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_the_same_over_http_behind_the_servers_guards(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open-sesame")
    with served(folder, tmp_path, "--mcp", "--token-file", str(tmp_path / "token")) as url:

        def status(method: str, **headers: str) -> int:
            request = urllib.request.Request(
                f"{url}/mcp",
                method=method,
                headers=headers,
                data=b"{}" if method == "POST" else None,
            )
            with pytest.raises(HTTPError) as refused:
                urllib.request.urlopen(request)
            refused.value.close()
            return refused.value.code

        assert status("POST") == 401
        assert status("GET") == 405

        async def run() -> Any:
            import httpx2
            from mcp.client.streamable_http import streamable_http_client

            headers = {"authorization": "Bearer open-sesame"}
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
            ):
                assert [tool.name for tool in (await client.list_tools()).tools] == NAMES
                return await client.call_tool("ask", {"question": "Who led the Norse?"})

        assert asyncio.run(run()).structured_content["quotes"][0]["text"] == "Rollo"


def test_it_is_offered_only_when_asked_for(folder: Path, tmp_path: Path) -> None:
    with served(folder, tmp_path) as url, pytest.raises(HTTPError) as missing:
        urllib.request.urlopen(f"{url}/mcp", data=b"{}")
    missing.value.close()
    assert missing.value.code == 404
