"""What each construct parses to, and how tightly the operators bind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from tensorc.source import Source
from tensorc.syntax import tree
from tensorc.syntax.parse import parse, parse_expression, parse_signature, parse_type
from tensorc.syntax.show import show


def brief(node: Any) -> str:
    """A node as an S-expression."""
    match node:
        case None:
            return "-"
        case tuple():
            return " ".join(map(brief, node))
        case tree.Number(value=value) | tree.Boolean(value=value) | tree.String(value=value):
            return repr(value)
        case tree.NoneLiteral():
            return "none"
        case tree.Wildcard():
            return "_"
        case tree.Name(name=name) | tree.NamePattern(name=name):
            return name
        case tree.Splice(name=name):
            return f"...{name or ''}"
        case tree.Unary(operator=operator, operand=operand):
            return f"({operator} {brief(operand)})"
        case tree.Binary(operator=operator, left=left, right=right):
            return f"({operator} {brief(left)} {brief(right)})"
        case tree.Attribute(value=value, name=name):
            return f"(. {brief(value)} {name})"
        case tree.Argument(name=None, value=value):
            return brief(value)
        case tree.Argument(name=name, value=value):
            return f"{name}={brief(value)}"
        case tree.Binding(name=name, low=low, high=high):
            return name if high is None else f"({name} {brief(low)} {brief(high)})"
        case tree.TensorType(dtype=dtype, dims=dims):
            return f"{dtype}[{brief(dims)}]"
        case tree.StaticType(name=name):
            return f"static:{name}"
    words = {tree.ListLiteral: "list", tree.TupleLiteral: "tuple", tree.TupleType: "tuple", tree.TuplePattern: "tuple"}
    head = words.get(type(node), type(node).__name__.lower())
    parts = [getattr(node, field.name) for field in fields(node) if not field.name.endswith("span")]
    return f"({head} {' '.join(brief(part) if not isinstance(part, str | bool) else str(part) for part in parts)})".replace(" )", ")")


def expression(text: str) -> str:
    return brief(parse_expression(Source("e", text)))


def function(text: str) -> tree.Function:
    (found,) = parse(Source("f.tx", text)).functions
    return found


def statement(text: str) -> str:
    return brief(function(f"fn f(x: f32) {{ {text} }}").body[0])


def nodes(root: tree.Node) -> Iterator[tuple[tree.Node, tree.Node]]:
    """Every node with its parent."""
    pending = [root]
    while pending:
        node = pending.pop()
        for field in fields(node):
            value = getattr(node, field.name)
            for child in value if isinstance(value, tuple) else (value,):
                if isinstance(child, tree.Node):
                    yield child, node
                    pending.append(child)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * c", "(+ a (* b c))"),
        ("a * b + c", "(+ (* a b) c)"),
        ("a - b - c", "(- (- a b) c)"),
        ("a / b // c % d @ e", "(@ (% (// (/ a b) c) d) e)"),
        ("-x ** 2", "(- (** x 2))"),
        ("x ** -0.5", "(** x (- 0.5))"),
        ("2 ** 3 ** 2", "(** 2 (** 3 2))"),
        ("2 ** -3 ** 2", "(** 2 (- (** 3 2)))"),
        ("-a * b", "(* (- a) b)"),
        ("a * -b", "(* a (- b))"),
        ("~a & b", "(& (~ a) b)"),
        ("- - + x", "(- (- (+ x)))"),
        ("a << b + c", "(<< a (+ b c))"),
        ("a & b << c", "(& a (<< b c))"),
        ("a ^ b & c", "(^ a (& b c))"),
        ("a | b ^ c", "(| a (^ b c))"),
        ("a == b | c", "(== a (| b c))"),
        ("not a == b", "(not (== a b))"),
        ("not not a", "(not (not a))"),
        ("a and not b or c and d", "(or (and a (not b)) (and c d))"),
        ("a < b and c >= d", "(and (< a b) (>= c d))"),
        ("(a < b) < c", "(< (< a b) c)"),
        ("(a + b) * c", "(* (+ a b) c)"),
        ("((((a))))", "a"),
        ("x.T @ y.mT", "(@ (. x T) (. y mT))"),
        ("-x.sum()", "(- (call (. x sum)))"),
        ("x[0] ** 2", "(** (subscript x 0 -) 2)"),
    ],
)
def test_operators(text: str, expected: str) -> None:
    assert expression(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", "12"),
        ("1_000", "1000"),
        ("0xff", "255"),
        ("0xFF_FF", "65535"),
        ("18446744073709551615", "18446744073709551615"),
        ("1e-5", "1e-05"),
        (".5", "0.5"),
        ("1_0.2_5e1", "102.5"),
        ("inf", "inf"),
        ("nan", "nan"),
        ("pi", "3.141592653589793"),
        ("true", "True"),
        ("false", "False"),
        ("none", "none"),
        ("None", "none"),
        ('"a\\n\\"b"', "'a\\n\"b'"),
        ("'a'", "'a'"),
        ("[1, 2.5]", "(list 1 2.5)"),
        ("[[1, 0], [0, 1],]", "(list (list 1 0) (list 0 1))"),
        ("[]", "(list)"),
        ("[...S, N]", "(list ...S N)"),
        ("(a,)", "(tuple a)"),
        ("(a, b,)", "(tuple a b)"),
        ("()", "(tuple)"),
        ("letter + iffy + none_", "(+ (+ letter iffy) none_)"),
    ],
)
def test_atoms(text: str, expected: str) -> None:
    assert expression(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f()", "(call f)"),
        ("f(a, b=1,)", "(call f a b=1)"),
        ('grad(f, wrt="w")(w, x)', "(call (call grad f wrt='w') w x)"),
        ("vmap(f, in_axes=(0, none))", "(call vmap f in_axes=(tuple 0 none))"),
        ("x.reshape([A * B, C])", "(call (. x reshape) (list (* A B) C))"),
        ("nn.layer(x)", "(call (. nn layer) x)"),
        ("x[..., 0]", "(subscript x ... 0 -)"),
        ("x[:, None]", "(subscript x (slice - - -) none -)"),
        ("x[::-1]", "(subscript x (slice - - (- 1)) -)"),
        ("x[1:-1, ::2]", "(subscript x (slice 1 (- 1) -) (slice - - 2) -)"),
        ("x[:, :1]", "(subscript x (slice - - -) (slice - 1 -) -)"),
        ("x[i - 1, j else 0]", "(subscript x (- i 1) j 0)"),
        ("x[i, j, else -inf]", "(subscript x i j (- inf))"),
        ("x.shape[0]", "(subscript (. x shape) 0 -)"),
        ("table[ids[b, t], d]", "(subscript table (subscript ids b t -) d -)"),
        ("sum[k](a[i, k])", "(comprehension sum k (subscript a i k -))"),
        ("max[i < N, j in 1..N - 1](x)", "(comprehension max (i - N) (j 1 (- N 1)) x)"),
        ("tensor[i, j](x)[0]", "(subscript (comprehension tensor i j x) 0 -)"),
        ("sum[i in 1..N,](x[i],)", "(comprehension sum (i 1 N) (subscript x i -))"),
        (
            "min[j](sum[k]((a[k] - b[j]) ** 2))",
            "(comprehension min j (comprehension sum k (** (- (subscript a k -) (subscript b j -)) 2)))",
        ),
        ("(x[i])(j)", "(call (subscript x i -) j)"),
    ],
)
def test_calls_and_brackets(text: str, expected: str) -> None:
    assert expression(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("let y = e", "(let y - e)"),
        ("let y: f32[N] = e", "(let y f32[N] e)"),
        ("let (a, (b, _)) = e", "(let (tuple a (tuple b _)) - e)"),
        ("let (a,) = e", "(let (tuple a) - e)"),
        ("let (a) = e", "(let a - e)"),
        ("let c[i, j] = e", "(indexlet c i j - e)"),
        ("let t[i < N, j in 1..N-1]: f32[N, _] = e", "(indexlet t (i - N) (j 1 (- N 1)) f32[N _] e)"),
        ('require N % 2 == 0, "odd"', "(require (== (% N 2) 0) odd)"),
        ("require N > 0", "(require (> N 0) -)"),
        ("return e", "(return e)"),
        ("return a, b", "(return (tuple a b))"),
        ("return a,", "(return (tuple a))"),
    ],
)
def test_statements(text: str, expected: str) -> None:
    assert statement(text) == expected


def test_statements_need_no_lines() -> None:
    body = function("fn f(x: f32) { let a = x let b = a require N > 1 return b, a }").body
    assert [type(part) for part in body] == [tree.Let, tree.Let, tree.Require, tree.Return]


def test_a_function_in_full() -> None:
    found = function('fn f<T: float, U: int>(x: T[...S, N], n: U, eps: float = 1e-5, m: str = "sum",) -> (T[N], U) { return x }')
    assert found.name == "f" and found.name_span.text == "f"
    assert [(each.name, each.kind) for each in found.type_parameters] == [("T", "float"), ("U", "int")]
    assert [each.name for each in found.parameters] == ["x", "n", "eps", "m"]
    assert brief(tuple(each.type for each in found.parameters)) == "T[...S N] U[] static:float static:str"
    assert [brief(each.default) for each in found.parameters] == ["-", "-", "1e-05", "'sum'"]
    assert brief(found.returns) == "(tuple T[N] U[])"
    assert found.head.text.endswith("(T[N], U)") and not found.short


def test_a_short_function_has_one_return() -> None:
    found = function("fn f(x: f32) -> f32 = -x")
    assert found.short and brief(found.body) == "(return (- x))"
    assert brief(function("fn f(x: f32) = x, x").body) == "(return (tuple x x))"


@pytest.mark.parametrize("name", ["int", "float", "bool", "str", "dtype", "dims", "axes"])
def test_static_types(name: str) -> None:
    assert isinstance(function(f"fn f(x: {name}) = x").parameters[0].type, tree.StaticType)


def test_bool_with_dims_is_a_tensor() -> None:
    assert brief(function("fn f(x: bool[]) = x").parameters[0].type) == "bool[]"


def test_imports() -> None:
    file = parse(Source("f.tx", 'import "sub/nn.tx" as nn\nimport std.nn as lib\nfn f(x: f32) = x\nimport std as s'))
    assert [(each.path, each.module, each.alias) for each in file.imports] == [
        ("sub/nn.tx", None, "nn"),
        (None, "std.nn", "lib"),
        (None, "std", "s"),
    ]


def test_documentation_is_attached_by_line() -> None:
    text = (
        "## not this\n\n##  One.\n##\n## Two.\nfn f(x: f32) = x ## nor this\nfn g(x: f32) = x\n"
        "## Three.\n# no\nfn h(x: f32) = x\n### no\nfn i(x: f32) = x"
    )
    assert [each.doc for each in parse(Source("f.tx", text)).functions] == [" One.\n\nTwo.", "", "", ""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f32", "f32[]"),
        ("bool", "bool[]"),
        ("f32[B, 1024]", "f32[B 1024]"),
        ("T[..., _, 2*N + 1, H // 2,]", "T[... _ (+ (* 2 N) 1) (// H 2)]"),
    ],
)
def test_a_type_alone(text: str, expected: str) -> None:
    assert brief(parse_type(Source("t", text))) == expected


@pytest.mark.parametrize(
    ("text", "parameters", "returns"),
    [
        ("f32[B, N], f32[N] -> f32[B, N]", "f32[B N] f32[N]", "f32[B N]"),
        ("f32[N]", "f32[N]", "-"),
        ("", "", "-"),
        ("-> f32", "", "f32[]"),
        ("f32, int, -> (f32, f32)", "f32[] static:int", "(tuple f32[] f32[])"),
    ],
)
def test_a_signature_alone(text: str, parameters: str, returns: str) -> None:
    found, result = parse_signature(Source("s", text))
    assert (brief(found), brief(result)) == (parameters, returns)


PROGRAM = """\
import std.nn as nn

## Numerically stable softmax along the last axis.
fn softmax<T: float>(x: T[...S, N]) -> T[...S, N] {
    let e = exp(x - max(x, axis=-1, keepdims=true))
    return e / sum(e, axis=-1, keepdims=true)
}

fn attention(q: f32[B, H, S, D], k: f32[B, H, T, D], v: f32[B, H, T, D]) -> f32[B, H, S, D] {
    let score[b, h, s, t] = sum[d](q[b, h, s, d] * k[b, h, t, d]) / sqrt(D)
    let p = softmax(score)
    let out[b, h, s, d] = sum[t](p[b, h, s, t] * v[b, h, t, d])
    return out
}

fn loss(w: f32[D, K], x: f32[N, D], y: i64[N]) -> f32 = cross_entropy((x) @ w, (y))

fn sgd_step(w: f32[D, K], x: f32[N, D], y: i64[N], lr: f32) -> (f32[D, K], f32) {
    let (l, dw) = value_and_grad(loss, wrt="w")(w, x, y)
    return (w - lr) * (dw), l
}

fn stencil(u: f32[H, W], m: bool[]) -> f32[H, W] {
    let u1[i, j] = (u[i-1, j else 0] + u[i+1, j else 0]) / 2
    let tril[i < N, j in 1..(N - 1)] = where(j <= i and not m, 1.0, 0.0)
    require H % 2 == 0 and W > 2, "even"
    return u1[1:-1, ::2][..., none]
}
"""


def test_the_places_of_nodes_nest() -> None:
    file = parse(Source("p.tx", PROGRAM))
    for child, parent in nodes(file):
        assert parent.span.start <= child.span.start <= child.span.end <= parent.span.end, (show(child), show(parent))


def test_the_text_of_an_expression_parses_to_it_again() -> None:
    checked = 0
    for child, parent in nodes(parse(Source("p.tx", PROGRAM))):
        if isinstance(child, tree.Expr) and not isinstance(child, tree.Splice) and not isinstance(parent, tree.Return):
            assert expression(child.span.text) == brief(child)
            checked += 1
    assert checked > 150


def test_spans_count_characters_and_not_bytes() -> None:
    source = Source("u.tx", "# ×\r\n## ü\r\nfn f(x: f32) = x + 12\r\n")
    (found,) = parse(source).functions
    assert found.doc == "ü"
    (result,) = found.body
    assert isinstance(result, tree.Return) and isinstance(value := result.value, tree.Binary)
    assert value.right.span.text == "12" and str(value.right.span) == "u.tx:3:20"


def test_show() -> None:
    file = parse(Source("f.tx", "## Twice.\nfn f(x: f32[N], b: bool = false) -> f32[N] = 0 * x[1:, none]"))
    assert show(file) == (
        "File @1:1\n"
        "  functions[0]: Function name='f' doc='Twice.' short=True @2:1\n"
        "    parameters[0]: Parameter name='x' @2:6\n"
        "      type: TensorType dtype='f32' @2:9\n"
        "        dims[0]: Name name='N' @2:13\n"
        "    parameters[1]: Parameter name='b' @2:17\n"
        "      type: StaticType name='bool' @2:20\n"
        "      default: Boolean value=False @2:27\n"
        "    returns: TensorType dtype='f32' @2:37\n"
        "      dims[0]: Name name='N' @2:41\n"
        "    body[0]: Return @2:46\n"
        "      value: Binary operator='*' @2:46\n"
        "        left: Number value=0 @2:46\n"
        "        right: Subscript @2:50\n"
        "          value: Name name='x' @2:50\n"
        "          items[0]: Slice @2:52\n"
        "            start: Number value=1 @2:52\n"
        "          items[1]: NoneLiteral @2:56"
    )


# Size.


def depth(node: tree.Node) -> int:
    """How often the first part has a first part, without recursion."""
    found = 0
    while isinstance(node, tree.Binary | tree.Unary):
        node = node.left if isinstance(node, tree.Binary) else node.operand
        found += 1
    return found


def test_a_long_sum() -> None:
    text = "x" + " + x" * 100_000
    found = parse_expression(Source("e", text))
    assert depth(found) == 100_000
    assert len(show(found).splitlines()) == 200_001


def test_deep_nesting() -> None:
    assert expression("(" * 50_000 + "x" + ")" * 50_000) == "x"
    assert depth(parse_expression(Source("e", "-" * 50_000 + "x"))) == 50_000
    found: Any = parse_expression(Source("e", "f(" * 20_000 + "x" + ")" * 20_000))
    for _ in range(20_000):
        found = found.arguments[0].value
    assert found.name == "x"


def test_many_statements() -> None:
    lines = "".join(f"    let a{number} = x * {number} + sin(x[{number}])\n" for number in range(2000))
    assert len(function(f"fn f(x: f32[N]) {{\n{lines}    return x\n}}").body) == 2001
