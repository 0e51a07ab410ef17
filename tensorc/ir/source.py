"""A program as .tx source for people: what `text` prints, in the language that files are written in.

The text of an IR means just the nodes that it names; here every read is one that the checker accepts: where it is not proved inside, it has
an `else`, since its value outside is not used.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorc import algebra
from tensorc.algebra import Facts, Index, Poly
from tensorc.dtypes import f64
from tensorc.ir import walk
from tensorc.ir.program import Program
from tensorc.ir.tensor import Apply, Const, Define, Int, Load, Scalar, Scatter, Tensor
from tensorc.ir.text import _COMPARE, _INFIX, _MUL, _Printer


def source(program: Program) -> str:
    """The program as a function of a .tx file, which compiles to the same results."""
    return _SourcePrinter(program).text()


def _is_of_sizes(s: Scalar) -> bool:
    """Whether s is a float of sizes, computed in f64 as what has no dtype of its own is."""
    match s:
        case Apply("cast", (Int(p),), _):
            return not algebra.elements(p) and not algebra.indices(p)
        case Apply("cast", (inner,), _):
            return inner.dtype is f64 and _is_of_sizes(inner)
        case Apply(operation, arguments, dtype) if dtype is f64 and operation not in ("cast", "bitcast"):
            return all(isinstance(a, Const) or _is_of_sizes(a) for a in arguments) and not all(isinstance(a, Const) for a in arguments)
        case _:
            return False


class _SourcePrinter(_Printer):
    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.facts: Facts = frozenset(p for c in program.conditions for p in ((c.value,) if c.relation == ">=" else (c.value, -c.value)))
        self.plain: frozenset[Load] = frozenset()
        self.bare: frozenset[Scalar] = frozenset()  # operands whose dtype is that of the other one

    def tensor(self, t: Tensor) -> list[str]:
        if isinstance(t, (Define, Scatter)):
            self.plain = walk.unguarded(t.body)
        return super().tensor(t)

    def number(self, p: Poly) -> str:
        return self.poly(p)

    def is_worth_a_name(self, s: Scalar) -> bool:
        return bool(walk.loads(s))

    def apply(self, s: Apply, level: int) -> str:
        """Numbers that are made of sizes take the dtype of the elements beside them: `x[i] / sqrt(D)`."""
        kept = self.bare
        reads = [a for a in s.arguments if walk.loads(a)] if s.operation in _INFIX else []
        self.bare = frozenset(a for a in s.arguments if reads and a not in reads and _is_of_sizes(a))
        text = super().apply(s, level)
        self.bare = kept
        return text

    def of_sizes(self, s: Scalar, level: int) -> str:
        """A number made of sizes, in f64."""
        kept, self.bare = self.bare, frozenset(walk.postorder(s))
        text = super().apply(s, level) if isinstance(s, Apply) else super().scalar(s, level)
        self.bare = kept
        return text

    def scalar(self, s: Scalar, level: int) -> str:
        if s in self.shared:
            return self.shared[s]
        if s in self.bare and isinstance(s, Apply):
            return self.of_sizes(s.arguments[0] if s.operation == "cast" else s, level)
        match s:
            case Int(p) if algebra.elements(p):
                text = self.number(p)
                return f"({text})" if len(p.terms) > 1 or text.startswith("-") or (level > _MUL and p.atom is None) else text
            case Load(t, subscripts) if subscripts and not self.is_inside(s):
                return f"{self.place(t, subscripts)[:-1]} else {'false' if t.dtype.name == 'bool' else 0}]"
            case _:
                return super().scalar(s, level)

    def guard(self, function: str, p: Poly, relation: str, level: int) -> str:
        if not algebra.elements(p):
            return super().guard(function, p, relation, level)
        left = Poly(tuple((m, c) for m, c in p.terms if c > 0))
        right = left - p
        if relation == "<=":
            left, right = right, left
        text = f"{self.poly(left)} {relation} {self.poly(right)}"
        return f"({text})" if level > _COMPARE else text

    def inferred(self, bodies: Sequence[Scalar]) -> dict[Index, Poly | None]:
        """Reads with `else` give an index no range."""
        found: dict[Index, Poly | None] = {}
        for body in bodies:
            for read in walk.loads(body):
                for p, extent in zip(read.subscripts, read.tensor.extents, strict=True):
                    a = p.atom
                    if isinstance(a, Index):
                        same = found.get(a, extent) is extent and self.is_inside(read)
                        found[a] = extent if same else None
        return found

    def is_inside(self, read: Load) -> bool:
        """Whether the checker proves a read inside, or checks it while running as the program does."""
        facts = self.facts | {a.extent - 1 for p in read.subscripts for a in algebra.indices(p)}
        for p, extent in zip(read.subscripts, read.tensor.extents, strict=True):
            if algebra.nonnegative(p, facts) and algebra.nonnegative(extent - 1 - p, facts):
                continue
            if not (read in self.plain and algebra.elements(p)):
                return False
        return True
