"""`tensorc lsp`: a session as an editor holds it, in a process of its own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tensorc.cli.editor.document import offset, path_of, place, uri_of
from tensorc.cli.editor.messages import Malformed, receive, send
from tensorc.source import Source

ROOT = Path(__file__).parents[2]

MODEL = """\
import "parts.tx" as parts

## The mean loss.
fn loss<T: float>(w: T[D, K], x: T[N, D], y: i64[N]) -> T {
    let logits = parts.dense(x, w)
    let squares[i] = sum[k](logits[i, k] * logits[i, k])
    return cross_entropy(logits, y) + mean(squares) / D
}
"""
PARTS = "## x @ w.\nfn dense<T: float>(x: T[N, D], w: T[D, K]) -> T[N, K] = x @ w\n"


class Editor:
    """A client that sends one message at a time."""

    def __init__(self, folder: Path) -> None:
        words = [sys.executable, "-m", "tensorc", "lsp", "--stdio"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
        self.watch = threading.Timer(60, self.process.kill)  # a read of what never comes ends too
        self.watch.start()
        self.folder = folder
        self.number = 0
        self.published: list[Any] = []

    def notify(self, method: str, params: Any = None) -> None:
        assert self.process.stdin is not None
        send(self.process.stdin, {"method": method, "params": params})

    def answer(self, method: str, params: Any = None) -> Any:
        """The whole answer to a request; what is published before it is kept."""
        assert self.process.stdin is not None
        self.number += 1
        send(self.process.stdin, {"id": self.number, "method": method, "params": params})
        while (found := self.read()).get("id") != self.number:
            self.published.append(found)
        return found

    def ask(self, method: str, params: Any = None) -> Any:
        found = self.answer(method, params)
        assert "error" not in found, found
        return found["result"]

    def read(self) -> Any:
        assert self.process.stdout is not None
        found = receive(self.process.stdout)
        assert found is not None
        return found

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str, version: int = 1) -> list[Any]:
        """Open a file, and wait for what is wrong in it."""
        self.notify("textDocument/didOpen", {"textDocument": {"uri": self.uri(name), "languageId": "tx", "version": version, "text": text}})
        return self.diagnostics(name)

    def change(self, name: str, text: str, version: int = 2) -> None:
        named = {"uri": self.uri(name), "version": version}
        self.notify("textDocument/didChange", {"textDocument": named, "contentChanges": [{"text": text}]})

    def diagnostics(self, name: str) -> list[Any]:
        while True:
            found = self.read()
            assert found["method"] == "textDocument/publishDiagnostics"
            if found["params"]["uri"] == self.uri(name):
                return found["params"]["diagnostics"]  # type: ignore[no-any-return]

    def at(self, method: str, name: str, text: str, word: str, which: int = 0, inside: int = 0) -> Any:
        """Ask at one of the places of a word."""
        start = -1
        for _ in range(which + 1):
            start = text.index(word, start + 1)
        position = place(Source(name, text), start + inside)
        return self.ask(f"textDocument/{method}", {"textDocument": {"uri": self.uri(name)}, "position": position})


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    folder = tmp_path_factory.mktemp("editor")
    (folder / "parts.tx").write_text(PARTS)
    made = Editor(folder)
    assert made.answer("textDocument/hover", {})["error"]["code"] == -32002
    found = made.ask("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": {}})
    assert found["serverInfo"]["name"] == "tensorc" and found["capabilities"]["hoverProvider"]
    made.notify("initialized", {})
    yield made
    assert made.ask("shutdown") is None
    assert made.answer("textDocument/hover", {})["error"]["code"] == -32600
    made.notify("exit")
    _, said = made.process.communicate(timeout=20)
    made.watch.cancel()
    assert made.process.returncode == 0 and said == b""


def test_diagnostics_follow_the_text(editor: Editor) -> None:
    assert editor.open("a.tx", "fn f(x: f32[N], y: f32[M]) -> f32[N] = x + y\n") != []
    editor.change("a.tx", "# é𝄞 first\nfn f(x: f32[N], y: f32[M]) -> f32[N] =\n    x * 2 + y # 𝄞\n")
    (found,) = editor.diagnostics("a.tx")
    assert (found["code"], found["severity"], found["source"]) == ("E0301", 1, "tensorc")
    assert found["range"] == {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 9}}
    assert found["message"].startswith("shapes do not broadcast") and "help: " in found["message"]
    assert {r["message"] for r in found["relatedInformation"]} >= {"f32[M]"}
    editor.change("a.tx", "fn f(x: f32[N]) = x +\n")
    assert [d["code"] for d in editor.diagnostics("a.tx")] == ["E0106"]
    editor.change("a.tx", "fn f(x: f32[N]) = x\n")
    assert editor.diagnostics("a.tx") == []
    editor.notify("textDocument/didClose", {"textDocument": {"uri": editor.uri("a.tx")}})
    assert editor.diagnostics("a.tx") == []


def test_imports_are_those_of_the_editor(editor: Editor) -> None:
    assert editor.open("model.tx", MODEL) == []
    assert editor.open("parts.tx", PARTS) == []
    assert editor.diagnostics("model.tx") == []
    editor.change("parts.tx", PARTS.replace("dense", "layer"))
    assert editor.diagnostics("parts.tx") == []
    assert all(d["code"].startswith("E0") for d in editor.diagnostics("model.tx"))
    editor.change("parts.tx", PARTS)
    assert editor.diagnostics("parts.tx") == [] and editor.diagnostics("model.tx") == []


def test_files_that_import_each_other(editor: Editor) -> None:
    editor.open("one.tx", 'import "two.tx" as two\nfn f(x: f32) = x\n')
    found = editor.open("two.tx", 'import "one.tx" as one\nfn f(x: f32) = x\n')
    assert [d["code"] for d in found] == ["E0802"]
    assert [d["code"] for d in editor.diagnostics("one.tx")] == ["E0802"]
    for name in ("one.tx", "two.tx"):
        editor.notify("textDocument/didClose", {"textDocument": {"uri": editor.uri(name)}})
        assert editor.diagnostics(name) == []


HOVERS = [
    ("logits", 0, "```tx\nlet logits: f32[N, K]\n```"),
    ("logits", 2, "```tx\nlet logits: f32[N, K]\n```"),
    ("squares", 1, "```tx\nlet squares: f32[N]\n```"),
    ("w)", 0, "```tx\nw: T[D, K]\n```\n\na parameter"),
    ("D\n", 0, "```tx\nD\n```\n\na size: axis 0 of `w`"),
    ("k]", 1, "```tx\nk\n```\n\nan index"),
    ("parts", 2, "```tx\n{folder}/parts.tx\n```\n\nan imported file"),
    ("dense", 0, "```tx\nfn dense<T: float>(x: T[N, D], w: T[D, K]) -> T[N, K]\n```\n\nx @ w."),
    ("loss<", 0, "```tx\nfn loss<T: float>(w: T[D, K], x: T[N, D], y: i64[N]) -> T\n```\n\nThe mean loss."),
]


@pytest.fixture
def model(editor: Editor) -> Editor:
    """The editor with the model open."""
    editor.open("model.tx", MODEL)
    return editor


@pytest.mark.parametrize(("word", "which", "wanted"), HOVERS)
def test_hover(model: Editor, word: str, which: int, wanted: str) -> None:
    found = model.at("hover", "model.tx", MODEL, word, which)
    assert found["contents"] == {"kind": "markdown", "value": wanted.format(folder=model.folder)}


def test_hover_of_the_library(model: Editor) -> None:
    value = model.at("hover", "model.tx", MODEL, "cross_entropy")["contents"]["value"]
    assert value.startswith("```tx\nfn cross_entropy<") and "log_softmax" in value
    assert model.at("hover", "model.tx", MODEL, "mean", 1)["contents"]["value"].startswith("```tx\nmean(x")
    assert model.at("hover", "model.tx", MODEL, "return") is None


def test_definitions(model: Editor) -> None:
    def target(word: str, which: int = 0) -> tuple[str, int, int]:
        found = model.at("definition", "model.tx", MODEL, word, which)
        return Path(path_of(found["uri"])).name, found["range"]["start"]["line"], found["range"]["start"]["character"]

    assert target("logits", 3) == ("model.tx", 4, 8)
    assert target("squares", 1) == ("model.tx", 5, 8)
    assert target("x, w") == ("model.tx", 3, 30)
    assert target("k]", 2) == ("model.tx", 5, 25)
    assert target("D\n") == ("model.tx", 3, 23)
    assert target("dense") == ("parts.tx", 1, 3)
    assert target("cross_entropy")[0] == "nn.tx"


def test_symbols(model: Editor) -> None:
    (found,) = model.ask("textDocument/documentSymbol", {"textDocument": {"uri": model.uri("model.tx")}})
    assert (found["name"], [c["name"] for c in found["children"]]) == ("loss", ["logits", "squares"])
    assert found["selectionRange"]["start"] == {"line": 3, "character": 3}


def test_completion_while_the_text_is_unfinished(model: Editor) -> None:
    text = MODEL.replace("let squares[i] = sum[k](logits[i, k] * logits[i, k])", "let other = parts.\n    let more = log")
    model.change("model.tx", text)

    def labels(word: str) -> set[str]:
        found = model.at("completion", "model.tx", text, word, inside=len(word))
        return {item["label"] for item in found}

    assert labels("= parts.\n"[:-1]) == {"dense"}
    everything = labels("more = log")
    assert {"logits", "other", "w", "x", "N", "loss", "parts", "logsumexp", "log_softmax", "return"} <= everything
    resolved = model.ask("completionItem/resolve", {"label": "softmax", "kind": 3})
    assert "exp(x - max)" in resolved["documentation"]["value"]
    model.change("model.tx", MODEL)


def test_formatting(editor: Editor) -> None:
    text = "# é\nfn f( x:f32[N] )=x\n\n\n\nfn g(x: f32) = x\nfn h(x: f32)=(x)"
    editor.open("loose.tx", text)
    edits = editor.ask("textDocument/formatting", {"textDocument": {"uri": editor.uri("loose.tx")}, "options": {"tabSize": 4}})
    source, found = Source("loose.tx", text), text
    for edit in reversed(edits):
        start, end = (offset(source, edit["range"][side]) for side in ("start", "end"))
        found = found[:start] + edit["newText"] + found[end:]
    assert found == "# é\nfn f(x: f32[N]) = x\n\nfn g(x: f32) = x\n\nfn h(x: f32) = (x)\n"
    editor.change("loose.tx", "fn f(x")
    assert editor.ask("textDocument/formatting", {"textDocument": {"uri": editor.uri("loose.tx")}, "options": {}}) == []


def test_what_is_no_request_of_ours(editor: Editor) -> None:
    assert editor.answer("textDocument/rename", {})["error"]["code"] == -32601
    assert (
        editor.ask("textDocument/hover", {"textDocument": {"uri": "file:///nowhere.tx"}, "position": {"line": 9, "character": 9}}) is None
    )
    editor.notify("$/setTrace", {"value": "off"})
    assert editor.process.stdin is not None
    editor.process.stdin.write(b"Content-Length: 3\r\n\r\n{x}")
    editor.process.stdin.flush()
    found = editor.read()
    while found.get("id", 0) is not None:
        found = editor.read()
    assert found["error"]["code"] == -32700


def test_json_is_refused(tensorc: Callable[..., Any]) -> None:
    assert tensorc("lsp", "--json").code == 2


def test_messages() -> None:
    stream = io.BytesIO()
    send(stream, {"id": 1, "result": "é𝄞"})
    stream.seek(0)
    assert receive(stream) == {"jsonrpc": "2.0", "id": 1, "result": "é𝄞"}
    assert receive(stream) is None
    for heading in (b"\r\n", b"Content-Length: x\r\n\r\n", b"Content-Length: 99999999999\r\n\r\n"):
        with pytest.raises(Malformed) as error:
            receive(io.BytesIO(heading))
        assert error.value.ends
    assert receive(io.BytesIO(b"Content-Length: 50\r\n\r\n{}")) is None
    with pytest.raises(Malformed):
        receive(io.BytesIO(b"Content-Length: 2\r\n\r\n[]"))


def test_places_and_uris(tmp_path: Path) -> None:
    source = Source("a", "é𝄞x\r\n\ny")
    assert [place(source, n) for n in (2, 3)] == [{"line": 0, "character": 3}, {"line": 0, "character": 4}]
    assert [offset(source, {"line": 0, "character": n}) for n in (0, 1, 3, 4, 99)] == [0, 1, 2, 3, 3]
    assert offset(source, {"line": 9, "character": 9}) == len(source.text)
    path = str(tmp_path / "a b ü.tx")
    assert path_of(uri_of(path)) == path
    assert uri_of(path_of("untitled:One")) == "untitled:One"
    assert json.dumps(uri_of(path))
