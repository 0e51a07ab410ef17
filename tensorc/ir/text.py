"""A program as .tx text: one `let` a definition, names kept. `elaborate.reading` reads the text back to the same objects."""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterable, Sequence
from typing import Any, assert_never

from tensorc import algebra
from tensorc.algebra import LETTERS, Atom, Element, Index, Poly, Quotient, Remainder, poly
from tensorc.dtypes import DTYPES, DType, f16, f32, f64, i64
from tensorc.ir import walk
from tensorc.ir.build import both, inside
from tensorc.ir.monoids import MONOIDS
from tensorc.ir.operations import OPERATIONS
from tensorc.ir.program import Condition, Program
from tensorc.ir.tensor import (
    Apply,
    Const,
    Define,
    Input,
    Int,
    IsZero,
    Load,
    Nonnegative,
    Scalar,
    Scan,
    Scatter,
    Select,
    Sort,
    Stop,
    Tensor,
    View,
)

_WORDS = {"fn", "let", "require", "return", "import", "as", "in", "else", "and", "or", "not", "true", "false", "none", "inf", "nan", "pi"}
_FUNCTIONS = {
    "reshape",
    "argsort",
    "stop_gradient",
    "scan",
    "scatter",
    "where",
    "tensor",
    "integer",
    "nonnegative",
    "is_zero",
    "cast",
    "bitcast",
}
_SCANS = {"sum": "cumsum", "prod": "cumprod", "max": "cummax", "min": "cummin"}

# How tightly each form binds, as in the grammar.
_OR, _AND, _NOT, _COMPARE, _BAR, _CARET, _AMPERSAND, _SHIFT, _ADD, _MUL, _UNARY, _POWER, _CALL = range(13)
_INFIX = {
    "or": ("or", _OR), "and": ("and", _AND), "eq": ("==", _COMPARE), "ne": ("!=", _COMPARE), "lt": ("<", _COMPARE), "le": ("<=", _COMPARE),
    "gt": (">", _COMPARE), "ge": (">=", _COMPARE), "xor": ("^", _CARET), "shift_left": ("<<", _SHIFT), "shift_right": (">>", _SHIFT),
    "add": ("+", _ADD), "sub": ("-", _ADD), "mul": ("*", _MUL), "div": ("/", _MUL), "floordiv": ("//", _MUL), "remainder": ("%", _MUL),
}  # fmt: skip
_BITWISE = {"or": ("|", _BAR), "and": ("&", _AMPERSAND)}


def show(program: Program) -> str:
    """The program as a function of a .tx file."""
    return _Printer(program).text()


def lines(program: Program) -> list[tuple[Tensor | None, str]]:
    """The same line by line, each with the tensor that it is of, if it is of one."""
    return _Printer(program).program()


def types(program: Program) -> dict[Tensor, tuple[str, str]]:
    """The name and the type that the text gives each tensor of the program, in its order."""
    printer = _Printer(program)
    return {t: (printer.names[t], printer.type(t)) for t in printer.order}


class _Printer:
    def __init__(self, program: Program) -> None:
        self.subject = program
        self.order = walk.topological((*program.inputs, *program.outputs))
        sizes = {s.name for s in walk.sizes(self.order)}
        taken = _WORDS | _FUNCTIONS | set(DTYPES) | set(OPERATIONS) | set(MONOIDS) | set(_SCANS.values()) | sizes
        self.names: dict[Tensor, str] = {t: t.name for t in program.inputs}
        taken |= set(self.names.values())
        self.letters = [c for c in LETTERS if c not in taken and c not in program.names.values()]
        taken |= set(self.letters)
        for t in self.order:
            if t not in self.names:
                self.names[t] = _unique(program.names.get(t), taken)
        self.shared: dict[Scalar, str] = {}
        self.counter = 0

    def letter(self, level: int) -> str:
        return self.letters[level] if level < len(self.letters) else f"i{level}"

    def atom(self, a: Atom) -> str | None:
        match a:
            case Index(level, _):
                return self.letter(level)
            case Element(t, subscripts):
                text = self.place(t, subscripts)
                return text if t.dtype is i64 else f"cast({text}, i64)"
            case _:
                return None

    def poly(self, p: Poly) -> str:
        return algebra.show(p, self.atom)

    def number(self, p: Poly) -> str:
        """A subscript as a value."""
        return f"integer({self.poly(p)})"

    def place(self, t: Tensor, subscripts: Sequence[Poly]) -> str:
        return self.names[t] + (f"[{', '.join(map(self.poly, subscripts))}]" if subscripts else "")

    # Statements.

    def text(self) -> str:
        return "".join(f"{line}\n" for _, line in self.program())

    def program(self) -> list[tuple[Tensor | None, str]]:
        p = self.subject
        parameters = ", ".join(f"{i.name}: {self.type(i)}" for i in p.inputs)
        results = [self.type(t) for t in p.results]
        returns = results[0] if len(results) == 1 else f"({', '.join(results)})"
        found: list[tuple[Tensor | None, str]] = [(None, f"fn {p.name}({parameters}) -> {returns} {{")]
        found += [(None, f"    require {self.condition(c)}, {_quoted(c.message)}") for c in p.conditions]
        for t in walk.topological(p.results):
            found += [(t, f"    {line}") for line in self.tensor(t)]
        return [*found, (None, f"    return {', '.join(self.names[t] for t in p.results)}"), (None, "}")]

    def condition(self, c: Condition) -> str:
        """A relation with what is added on its left and what is taken off on its right."""
        left = Poly(tuple((m, k) for m, k in c.value.terms if k > 0))
        return f"{self.poly(left)} {c.relation} {self.poly(left - c.value)}"

    def type(self, t: Tensor) -> str:
        return f"{t.dtype}[{', '.join(map(str, t.extents))}]" if t.extents else str(t.dtype) + ("[]" if t.dtype.name == "bool" else "")

    def tensor(self, t: Tensor) -> list[str]:
        name = self.names[t]
        match t:
            case Input():
                return []
            case Define():
                return self.define(name, t)
            case View(x, extents):
                return [f"let {name} = reshape({self.names[x]}, [{', '.join(map(str, extents))}])"]
            case Stop(x):
                return [f"let {name} = stop_gradient({self.names[x]})"]
            case Sort(x, descending):
                return [f"let {name} = argsort({self.names[x]}{', descending=true' if descending else ''})"]
            case Scan(monoid, x, None, False):
                return [f"let {name} = {_SCANS[monoid]}({self.names[x]}, axis=-1)"]
            case Scan(monoid, x, decay, reverse):
                extra = "" if decay is None else f", decay={self.names[decay]}"
                return [f'let {name} = scan({self.names[x]}, "{monoid}"{extra}{", reverse=true" if reverse else ""})']
            case Scatter():
                return self.scatter(name, t)
            case _:
                assert_never(t)

    def define(self, name: str, t: Define) -> list[str]:
        lines = self.share(t.body, (*t.indices, *t.reduced))
        head = self.bindings(t.indices, [t.body])
        body = self.scalar(t.body, _OR)
        if t.monoid is None:
            if _weak(t.body) and t.dtype is not i64 and t.dtype not in (f32, DTYPES["bool"]):
                body = f"cast({body}, {t.dtype})"
        else:
            body = f"{t.monoid}[{self.bindings(t.reduced, [t.body])}]({body})"
        lines.append(f"let {name}{f'[{head}]' if head else ''} = {body}")
        self.shared.clear()
        return lines

    def scatter(self, name: str, t: Scatter) -> list[str]:
        head = f"[{', '.join(f'{self.letter(i.level)} < {i.extent}' for i in t.indices)}]"
        shape = f"[{', '.join(map(str, t.extents))}]"
        base = "none" if t.base is None else self.names[t.base]
        lines = self.share(t.body, t.indices)
        places = [f"tensor{head}({self.number(p)})" if t.indices else self.number(p) for p in t.subscripts]
        body = self.scalar(t.body, _OR)
        parts = [shape, base, f"tensor{head}({body})" if t.indices else body, *places]
        self.shared.clear()
        return [*lines, f"let {name} = scatter({', '.join(parts)})"]

    def bindings(self, indices: Iterable[Index], bodies: Sequence[Scalar]) -> str:
        """Bound indices, with their range where the reads in the bodies would not give it."""
        inferred = self.inferred(bodies)
        parts = []
        for i in indices:
            letter = self.letter(i.level)
            parts.append(letter if inferred.get(i) is i.extent else f"{letter} < {self.poly(i.extent)}")
        return ", ".join(parts)

    def inferred(self, bodies: Sequence[Scalar]) -> dict[Index, Poly | None]:
        """The extent that plain reads give each index; None where they differ."""
        found: dict[Index, Poly | None] = {}
        for body in bodies:
            for load in walk.loads(body):
                for p, extent in zip(load.subscripts, load.tensor.extents, strict=True):
                    a = p.atom
                    if isinstance(a, Index):
                        found[a] = extent if found.get(a, extent) is extent else None
        return found

    def share(self, body: Scalar, every: Sequence[Index]) -> list[str]:
        """`let _1[i, j] = ...` for each scalar that the body uses several times: a name for a rule, not a definition."""
        uses: dict[Scalar, int] = {}
        order = walk.postorder(body)
        for s in order:
            for c in walk.children(s):
                uses[c] = uses.get(c, 0) + 1
        lines = []
        for s in order:
            if uses.get(s, 0) > 1 and isinstance(s, (Apply, Select)) and s is not body:
                mine = [i for i in every if i in walk.atoms(s)]
                text = self.scalar(s, _OR)
                if not self.is_worth_a_name(s):
                    continue
                self.counter += 1
                name = f"_{self.counter}"
                ranges = ", ".join(f"{self.letter(i.level)} < {self.poly(i.extent)}" for i in mine)
                lines.append(f"let {name}{f'[{ranges}]' if ranges else ''} = {text}")
                self.shared[s] = name + (f"[{', '.join(self.letter(i.level) for i in mine)}]" if mine else "")
        return lines

    def is_worth_a_name(self, s: Scalar) -> bool:
        return not _weak(s)

    # Scalars.

    def scalar(self, s: Scalar, level: int) -> str:
        named = self.shared.get(s)
        if named is not None:
            return named
        match s:
            case Const(value, dtype):
                text = _number(value, dtype)
                return f"({text})" if text.startswith("-") and level > _ADD else text
            case Int(p):
                text = self.poly(p)
                if _is_subscript(p):
                    return f"integer({text})"
                return f"({text})" if len(p.terms) > 1 or text.startswith("-") or (level > _MUL and p.atom is None) else text
            case Nonnegative(p):
                return self.guard("nonnegative", p, "<=", level)
            case IsZero(p):
                return self.guard("is_zero", p, "==", level)
            case Load(t, subscripts):
                return self.place(t, subscripts)
            case Select(c, a, b):
                guarded = self.guarded(s)
                if guarded is not None:
                    return guarded
                then, otherwise = self.scalar(a, _OR), self.scalar(b, _OR)
                if _weak(a) and _weak(b) and s.dtype not in (i64, DTYPES["bool"]) and (s.dtype is not f32 or _weak(c)):
                    then = f"cast({then}, {s.dtype})"
                return f"where({self.scalar(c, _OR)}, {then}, {otherwise})"
            case Apply():
                return self.apply(s, level)
            case _:
                assert_never(s)

    def guarded(self, s: Select) -> str | None:
        """`x[i - 1 else v]`, where the condition is just that the read is inside."""
        if not isinstance(s.then, Load) or not s.then.subscripts:
            return None
        guard = both(*(inside(p, e) for p, e in zip(s.then.subscripts, s.then.tensor.extents, strict=True)))
        if guard is not s.condition or not isinstance(s.otherwise, Const):
            return None
        text = self.place(s.then.tensor, s.then.subscripts)
        return f"{text[:-1]} else {self.scalar(s.otherwise, _OR)}]"

    def guard(self, function: str, p: Poly, relation: str, level: int) -> str:
        if _is_subscript(p):
            return f"{function}({self.poly(p)})"
        left = poly(0) - Poly(tuple((m, c) for m, c in p.terms if c < 0))
        right = Poly(tuple((m, c) for m, c in p.terms if c > 0))
        if relation == "==" and left.constant is not None:
            left, right = right, left
        if relation == "<=" and left.constant is None and left.terms[-1] == ((), 1):
            left, relation = left - 1, "<"
        text = f"{self.poly(left)} {relation} {self.poly(right)}"
        return f"({text})" if level > _COMPARE else text

    def apply(self, s: Apply, level: int) -> str:
        name, arguments = s.operation, s.arguments
        infix = _INFIX.get(name)
        if name in _BITWISE and not arguments[0].dtype.is_float and arguments[0].dtype.name != "bool":
            infix = _BITWISE[name]
        weak = all(map(_weak, arguments))
        if infix is not None:
            symbol, own = infix
            left = self.argument(arguments[0], own + 1 if own == _COMPARE else own, weak)
            text = f"{left} {symbol} {self.argument(arguments[1], own + 1, False)}"
            return f"({text})" if own < level else text
        if name == "neg":
            text = f"-{self.argument(arguments[0], _UNARY, weak)}"
            return f"({text})" if level > _UNARY else text
        if name == "not":
            word, own = ("not ", _NOT) if s.dtype.name == "bool" else ("~", _UNARY)
            text = f"{word}{self.argument(arguments[0], own, weak)}"
            return f"({text})" if level > own else text
        if name in ("cast", "bitcast"):
            inner = self.scalar(arguments[0], _OR)
            if _weak(arguments[0]) and arguments[0].dtype not in (i64, f64, DTYPES["bool"]):
                inner = f"cast({inner}, {arguments[0].dtype})"
            return f"{name}({inner}, {s.dtype})"
        parts = [self.argument(a, _OR, weak and n == 0) for n, a in enumerate(arguments)]
        return f"{name}({', '.join(parts)})"

    def argument(self, s: Scalar, level: int, fix: bool) -> str:
        """An operand; the first of several constants has its dtype written, which the others then take."""
        if fix and s.dtype not in (i64, f64, DTYPES["bool"]):
            return f"cast({self.scalar(s, _OR)}, {s.dtype})"
        return self.scalar(s, level)


def _is_subscript(p: Poly) -> bool:
    """Whether p reads elements or divides by a size: its text means another tensor where it is not a subscript."""
    return any(isinstance(a, Element) or (isinstance(a, (Quotient, Remainder)) and a.divisor.constant is None) for a in algebra.atoms(p))


def _weak(s: Scalar) -> bool:
    """Whether the text of s has no dtype of its own: constants, and what is made of sizes and indices alone."""
    match s:
        case Const():
            return True
        case Int(p) | Nonnegative(p) | IsZero(p):
            return not algebra.elements(p)
        case Load():
            return False
        case Select(c, a, b):
            return _weak(c) and _weak(a) and _weak(b)
        case Apply(operation, arguments, _):
            return operation not in ("cast", "bitcast") and all(map(_weak, arguments))
        case _:
            assert_never(s)


def _number(value: float | int | bool, dtype: DType) -> str:
    """The shortest text that reads back to the constant."""
    import numpy as np

    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value != value:
        return "nan" if math.copysign(1, value) > 0 else "-nan"
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    exact: Any = {f32: np.float32, f16: np.float16}.get(dtype)
    text = repr(value) if exact is None else np.format_float_positional(exact(value)) if 1e-4 <= abs(value) < 1e16 else str(exact(value))
    text = text + "0" if text.endswith(".") else text
    return text if any(c in text for c in ".en") else text + ".0"


def _unique(name: str | None, taken: set[str]) -> str:
    """A name that nothing else has: the one that is wanted, or with a number after it."""
    if name is not None and name not in taken and not keyword.iskeyword(name):
        taken.add(name)
        return name
    stem, n = (f"{name}_", 2) if name is not None else ("t", 0)
    while f"{stem}{n}" in taken:
        n += 1
    taken.add(f"{stem}{n}")
    return f"{stem}{n}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
