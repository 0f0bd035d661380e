"""`sncc lsp`: the language server, a thin layer between an editor's protocol and `sncc.editor`; extra `lsp`."""

from __future__ import annotations

from pathlib import Path

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer

from sncc import __version__, compiler
from sncc.diagnostics import Diagnostic, DiagnosticError, Source, Span
from sncc.editor.completion import completions
from sncc.editor.documentation import definition, documentation
from sncc.syntax.format import format_text

_KINDS = {
    "keyword": types.CompletionItemKind.Keyword,
    "function": types.CompletionItemKind.Function,
    "neuron": types.CompletionItemKind.Class,
    "synapse": types.CompletionItemKind.Class,
    "plasticity": types.CompletionItemKind.Class,
    "source": types.CompletionItemKind.Class,
    "param": types.CompletionItemKind.Constant,
    "argument": types.CompletionItemKind.Constant,
    "population": types.CompletionItemKind.Variable,
}


def serve() -> None:
    """Answers on stdin and stdout until the editor ends it."""
    _server().start_io()


def _server() -> LanguageServer:
    server = LanguageServer("sncc", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: LanguageServer, params: types.DidOpenTextDocumentParams) -> None:
        _publish(ls, params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(ls: LanguageServer, params: types.DidChangeTextDocumentParams) -> None:
        _publish(ls, params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(ls: LanguageServer, params: types.HoverParams) -> types.Hover | None:
        source = _source(ls, params.text_document.uri)
        found = documentation(source, offset(source, params.position.line, params.position.character))
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, found)) if found else None

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def define(ls: LanguageServer, params: types.DefinitionParams) -> types.Location | None:
        source = _source(ls, params.text_document.uri)
        span = definition(source, offset(source, params.position.line, params.position.character))
        if span is None:
            return None
        here = span.source.path == source.path
        uri = params.text_document.uri if here else uris.from_fs_path(str(Path(span.source.path).absolute()))
        return types.Location(uri or "", _range(span))

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[".", "("]))
    def complete(ls: LanguageServer, params: types.CompletionParams) -> list[types.CompletionItem]:
        source = _source(ls, params.text_document.uri)
        found = completions(source, offset(source, params.position.line, params.position.character))
        return [
            types.CompletionItem(
                c.label, kind=_KINDS.get(c.kind), detail=c.detail or c.kind, insert_text=c.insert or None
            )
            for c in found
        ]

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def layout(ls: LanguageServer, params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        source = _source(ls, params.text_document.uri)
        try:
            formatted = format_text(source.text, source.path)
        except DiagnosticError:
            return None
        whole = types.Range(types.Position(0, 0), types.Position(len(source.line_starts), 0))
        return [types.TextEdit(whole, formatted)] if formatted != source.text else []

    return server


def _source(server: LanguageServer, uri: str) -> Source:
    document = server.workspace.get_text_document(uri)
    return Source(document.path or uri, document.source.replace("\r\n", "\n"))


def _publish(server: LanguageServer, uri: str) -> None:
    source = _source(server, uri)
    found = [_diagnostic(d, source) for d in compiler.examine(source)[1]]
    server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found))


def _diagnostic(found: Diagnostic, source: Source) -> types.Diagnostic:
    """What is wrong in an imported file stands at the top of this one."""
    here = found.span is not None and found.span.source.path == source.path
    span = found.span if here and found.span is not None else Span(source, 0, 0)
    elsewhere = [] if here or found.span is None else [f"{found.span.source.path}:{found.span.line}"]
    words = [found.message, found.label, *found.notes, *(f"help: {fix}" for fix in found.help), *elsewhere]
    severity = types.DiagnosticSeverity.Error if found.severity == "error" else types.DiagnosticSeverity.Warning
    return types.Diagnostic(_range(span), "\n".join(w for w in words if w), severity, found.code, source="sncc")


# ---------------------------------------------------------------------------------------------------------- places
def offset(source: Source, line: int, character: int) -> int:
    """The place in the text of a line and a column of the protocol, which count from 0 and in units of UTF-16."""
    if line >= len(source.line_starts):
        return len(source.text)
    written = source.line_text(line + 1).encode("utf-16-le")[: 2 * character]
    return source.line_starts[line] + len(written.decode("utf-16-le", "ignore"))


def position(source: Source, place: int) -> types.Position:
    """The protocol's line and column of a place in the text."""
    span = Span(source, place, place)
    before = source.text[source.line_starts[span.line - 1] : place]
    return types.Position(span.line - 1, len(before.encode("utf-16-le")) // 2)


def _range(span: Span) -> types.Range:
    return types.Range(position(span.source, span.start), position(span.source, span.end))
