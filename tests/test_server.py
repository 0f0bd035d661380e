"""The language server, driven over stdio as an editor drives it."""

import asyncio
import builtins
import sys
from pathlib import Path

import pytest

from sncc.diagnostics import Source

UNTIDY = "network N:\n    step=1 ms\n    population é: LIF[2]\n    population b: LFI[2]\n"


def test_the_server_answers_an_editor(tmp_path):
    pytest.importorskip("pygls", reason="pygls is not installed: pip install 'sncc[lsp]'")
    asyncio.run(asyncio.wait_for(conversation(tmp_path / "n.snn"), 60))


async def conversation(path: Path) -> None:
    from lsprotocol import types
    from pygls.lsp.client import LanguageClient

    client = LanguageClient("test", "1")
    published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def publish(params):
        published.put_nowait(params)

    await client.start_io(sys.executable, "-m", "sncc.cli", "lsp")
    await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    uri, document = path.as_uri(), types.TextDocumentIdentifier(path.as_uri())

    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "snn", 1, UNTIDY)))
    mistake = (await published.get()).diagnostics[-1]
    assert (
        mistake.code == "unknown-model" and mistake.range.start == types.Position(3, 18) and "`LI`" in mistake.message
    )

    mended = UNTIDY.replace("LFI", "LIF")
    change = types.TextDocumentContentChangeWholeDocument(mended)
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(2, uri), [change])
    )
    assert [d for d in (await published.get()).diagnostics if d.severity == types.DiagnosticSeverity.Error] == []

    place = types.Position(2, 19)
    hover = await client.text_document_hover_async(types.HoverParams(document, place))
    assert hover is not None and "neuron LIF" in hover.contents.value
    found = await client.text_document_definition_async(types.DefinitionParams(document, place))
    assert found.uri.endswith("lif.snn")
    items = await client.text_document_completion_async(types.CompletionParams(document, types.Position(2, 18)))
    assert {"ALIF", "input"} <= {item.label for item in items}
    options = types.FormattingOptions(4, True)
    (edit,) = await client.text_document_formatting_async(types.DocumentFormattingParams(document, options))
    assert edit.new_text == mended.replace("=1", " = 1")

    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()


def test_columns_of_the_protocol_count_units_of_utf_16():
    pytest.importorskip("pygls")
    from sncc.server import offset, position

    source = Source("x", "a\n𝜏é = 1\n")
    assert offset(source, 1, 2) == 3 and offset(source, 1, 3) == 4 and offset(source, 9, 0) == len(source.text)
    for place in range(len(source.text) + 1):
        there = position(source, place)
        assert offset(source, there.line, there.character) == place


def test_without_pygls_the_command_says_how_to_get_it(monkeypatch):
    from click.testing import CliRunner

    from sncc.cli import cli

    real = builtins.__import__

    def absent(name, *rest):
        if name.startswith(("pygls", "lsprotocol")):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "sncc.server", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    done = CliRunner().invoke(cli, ["lsp"])
    assert done.exit_code == 1 and "pip install 'sncc[lsp]'" in done.output
