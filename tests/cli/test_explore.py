"""`tensorc explore`: one page that needs nothing else, whose parts point at each other."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

FILE = """\
# Less < more & "all".
fn norm(x: f32[N, D], eps: float = 1e-5) -> f32[N, D] {
    let centred = x - mean(x, axis=1, keepdims=true)
    let scale[i] = rsqrt(mean[j](centred[i, j] * centred[i, j]) + eps)
    return centred * tensor[i, j < D](scale[i])
}
fn twice(x: f32[N]) -> f32[N] = 2 * x
"""
STAGES = ["source", "typed", "opt", "graph", "schedule", "loops", "llvm", "asm"]


VOID = ("meta", "rect", "path")


class Page(HTMLParser):
    """The texts of a page by function and stage, and for each of their keys the text of its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: dict[tuple[str, str], str] = {}
        self.keys: dict[tuple[str, str], dict[str, str]] = {}
        self.open: list[tuple[str, list[str]]] = []
        self.place = ("", "")
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "data-function" in given:
            self.place = (given["data-function"] or "", given["data-stage"] or "")
            self.texts[self.place], self.keys[self.place] = "", {}
        if tag not in VOID:
            self.open.append((tag, (given.get("data-k") or "").split()))
        if given.get("class") == "l":
            self.texts[self.place] += "\n"

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self.place in self.texts:
            self.texts[self.place] += data
            for _, keys in self.open:
                for key in keys:
                    self.keys[self.place][key] = self.keys[self.place].get(key, "") + data


@pytest.fixture
def html(tensorc: Callable[..., Any], folder: Path) -> str:
    (folder / "norm.tx").write_text(FILE)
    ran = tensorc("explore", "norm.tx", "-o", "page.html")
    assert (ran.code, ran.out, ran.err) == (0, "page.html\n", "")
    return (folder / "page.html").read_text()


def test_the_page(html: str) -> None:
    page = Page(html)
    assert list(page.texts) == [(f, s) for f in ("norm", "twice") for s in [*STAGES[:3], *STAGES[4:], "graph"]]
    assert page.texts["norm", "source"].strip("\n") == FILE.rstrip("\n").replace("\n\n", "\n \n")
    assert "define void" in page.texts["norm", "llvm"] and "retq" in page.texts["norm", "asm"].replace("\tret", "\tretq")
    assert not re.search(r"(src|href)=|url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg)", html)
    (centred,) = [k for k, text in page.keys["norm", "source"].items() if text == "centred"]
    for stage, wanted in (("typed", "let centred["), ("opt", "let centred["), ("graph", "centred: f32[N, D]")):
        assert wanted in page.keys["norm", stage][centred], stage
    (scale,) = [k for k, text in page.keys["norm", "source"].items() if text == "scale"]
    assert "rsqrt(" in page.keys["norm", "loops"][scale]
    assert "define void @kernel.0" in page.keys["norm", "llvm"][scale] and "kernel.0" in page.keys["norm", "asm"][scale]
    (result,) = [k for k, text in page.keys["twice", "source"].items() if text == "2 * x"]
    assert "result" in page.keys["twice", "loops"][result] and "2.0 * x[i]" in page.keys["twice", "opt"][result]
    (parameter,) = [k for k, text in page.keys["norm", "source"].items() if text == "x: f32[N, D]"]
    assert "fn norm(" in page.keys["norm", "typed"][parameter]
    node = shutil.which("node")
    if node is not None:
        (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
        assert subprocess.run([node, "--check", "-"], input=script, text=True, capture_output=True, check=False).returncode == 0


def test_one_function_in_a_temporary_file(tensorc: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "norm.tx").write_text(FILE)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    ran = tensorc("explore", "norm.tx:twice", "--shape", "x=f32[1000]", "--json")
    path = Path(ran.envelope["result"]["path"])
    assert path.parent == folder and {f for f, _ in Page(path.read_text()).texts} == {"twice"} and not opened
    ran = tensorc("explore", "norm.tx:twice", "--open")
    assert opened == [Path(ran.out.strip()).as_uri()]


def test_mistakes(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "bad.tx").write_text("fn f(x: f32[N]) = x +\n")
    assert tensorc("explore", "bad.tx").code == 1
    (folder / "norm.tx").write_text(FILE)
    assert tensorc("explore", "norm.tx", "-o", "none/page.html").code == 2
    (folder / "more.tx").write_text(FILE + "fn window(x: f32[N], k: int) -> f32 = sum(x) * k\n")
    ran = tensorc("explore", "more.tx", "-o", "more.html")
    assert ran.code == 0 and ran.err == "left out `window`, which needs --arg k=VALUE\n"
    assert "there is no parameter `z`" in tensorc("explore", "norm.tx", "--shape", "z=f32[3]").err
