"""The server: reads an editor's messages one after the other, and answers. Files are checked when no message waits."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import IO, Any

from tensorc.cli.editor import answers
from tensorc.cli.editor.document import Document, path_of
from tensorc.cli.editor.messages import (
    INTERNAL,
    INVALID_REQUEST,
    NO_METHOD,
    NOT_INITIALIZED,
    PARSE_ERROR,
    Malformed,
    Message,
    receive,
    send,
)
from tensorc.source import Source
from tensorc.version import __version__

CAPABILITIES = {
    "positionEncoding": "utf-16",
    "textDocumentSync": {"openClose": True, "change": 1, "save": False},
    "hoverProvider": True,
    "definitionProvider": True,
    "documentSymbolProvider": True,
    "completionProvider": {"triggerCharacters": ["."], "resolveProvider": True},
    "documentFormattingProvider": True,
}


class Server:
    """One editor's session."""

    def __init__(self, given: IO[bytes], taken: IO[bytes]) -> None:
        self.given = given
        self.taken = taken
        self.messages: SimpleQueue[Message | Malformed | None] = SimpleQueue()
        self.documents: dict[str, Document] = {}
        self.sources: dict[str, Source] = {}
        self.texts: dict[str, tuple[str, int | None, bool]] = {}
        """The texts that wait to be checked, their versions, and whether they are new, or only what they import is."""
        self.initialized = False
        self.stopped = False

    def run(self) -> bool:
        """Serve until the editor ends it; false if it went without saying so."""
        threading.Thread(target=self._read, name="tensorc-lsp", daemon=True).start()
        while True:
            try:
                message = self.messages.get(block=not self.texts)
            except Empty:
                self._check()
                continue
            if message is None or (isinstance(message, dict) and message.get("method") == "exit"):
                return self.stopped
            if isinstance(message, Malformed):
                send(self.taken, {"id": None, "error": {"code": PARSE_ERROR, "message": str(message)}})
            else:
                self._handle(message)

    def _read(self) -> None:
        while True:
            try:
                message = receive(self.given)
            except Malformed as error:
                self.messages.put(error)
                if error.ends:
                    self.messages.put(None)
                    return
                continue
            except (OSError, ValueError):
                message = None
            self.messages.put(message)
            if message is None or message.get("method") == "exit":
                return

    # Messages.

    def _handle(self, message: Message) -> None:
        """Carry a message out; a request gets an answer, whatever happens."""
        method, number = message.get("method"), message.get("id")
        if not isinstance(method, str):
            return  # an answer, and nothing was asked
        try:
            result = self._result(method, message.get("params") or {})
        except _Refusal as refusal:
            error = {"code": refusal.code, "message": str(refusal)}
        except Exception as failure:
            traceback.print_exc(file=sys.stderr)
            error = {"code": INTERNAL, "message": f"{type(failure).__name__}: {failure}"}
        else:
            if "id" in message:
                send(self.taken, {"id": number, "result": result})
            return
        if "id" in message:
            send(self.taken, {"id": number, "error": error})

    def _result(self, method: str, params: Any) -> Any:
        if method == "initialize":
            self.initialized = True
            return {"capabilities": CAPABILITIES, "serverInfo": {"name": "tensorc", "version": __version__}}
        if not self.initialized:
            raise _Refusal(NOT_INITIALIZED, "the server is not initialized")
        if self.stopped:
            raise _Refusal(INVALID_REQUEST, "the server is shut down")
        match method:
            case "shutdown":
                self.stopped = True
                return None
            case "textDocument/didOpen":
                given = params["textDocument"]
                self._changed(given["uri"], given["text"], given.get("version"))
            case "textDocument/didChange":
                given = params["textDocument"]
                self._changed(given["uri"], params["contentChanges"][-1]["text"], given.get("version"))
            case "textDocument/didClose":
                self._closed(params["textDocument"]["uri"])
            case "completionItem/resolve":
                return answers.completed(params)
            case _ if method in _QUESTIONS:
                document = self._document(params["textDocument"]["uri"])
                return None if document is None else _QUESTIONS[method](document, params.get("position"))
            case _ if method.startswith("$/") or method in ("initialized", "textDocument/didSave") or "/didChange" in method:
                return None
            case _:
                raise _Refusal(NO_METHOD, f"there is no method {method}")
        return None

    # Documents.

    def _changed(self, uri: str, text: str, version: int | None) -> None:
        self.texts[uri] = text, version, True

    def _closed(self, uri: str) -> None:
        self.texts.pop(uri, None)
        self.sources.pop(path_of(uri), None)
        if self.documents.pop(uri, None) is not None:
            send(self.taken, _published(uri, [], None))

    def _document(self, uri: str) -> Document | None:
        """The document in its newest state."""
        if uri in self.texts:
            self._update(uri)
        return self.documents.get(uri)

    def _check(self) -> None:
        """Check one text that waits, and whatever imports it."""
        self._update(next(iter(self.texts)))

    def _update(self, uri: str) -> None:
        text, version, new = self.texts.pop(uri)
        before = self.documents.get(uri)
        source = self.sources[path_of(uri)] = Source(path_of(uri), text)
        self.documents[uri] = made = Document(uri, source, version, self.sources, None if before is None else before.last)
        send(self.taken, _published(uri, made.reported, version))
        for other, document in self.documents.items():
            if new and other != uri and other not in self.texts and source.name in document.imports:
                self.texts[other] = document.source.text, document.version, False


def _published(uri: str, diagnostics: list[Any], version: int | None) -> Message:
    params = {"uri": uri, "diagnostics": diagnostics, **({} if version is None else {"version": version})}
    return {"method": "textDocument/publishDiagnostics", "params": params}


class _Refusal(Exception):
    """A request that is not carried out."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


_QUESTIONS: dict[str, Callable[[Document, Any], Any]] = {
    "textDocument/hover": answers.hover,
    "textDocument/definition": answers.definition,
    "textDocument/completion": answers.completion,
    "textDocument/documentSymbol": lambda document, _: answers.symbols(document),
    "textDocument/formatting": lambda document, _: answers.formatting(document),
}
