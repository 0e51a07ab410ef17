"""Writes LLVM IR text: instructions that place themselves in the outermost scope where their operands are known, and loops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tensorc.backends.llvm.interleave import AT_ONCE, interleaved
from tensorc.backends.llvm.types import BIT, INT, POINTER, Type, Value, integer, of

RARELY = "!0"
"""The metadata of branches that are almost never taken."""

FLEETING = "!1"
"""The metadata of stores past the caches."""


@dataclass
class Module:
    """What the functions of one module share: declarations, helper functions made on demand, and the C functions that must be linked."""

    attributes: str = "nounwind"
    fused: bool = False
    """Whether the CPU has fused multiply-add."""
    halves: bool = False
    """Whether the CPU converts f16 to f32 and back."""
    scales: bool = False
    """Whether the CPU multiplies by a power of two in one instruction."""
    fast: bool = False
    """Whether functions may be off by 4 units in the last place rather than by 1."""
    dots: bool = False
    """Whether the CPU adds two products of bf16 in one instruction."""
    rounds: bool = False
    """Whether the CPU rounds f32 to bf16 in one instruction, 16 at a time."""
    declarations: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    called: dict[str, set[str]] = field(default_factory=dict)
    """The helpers that each function needs."""
    symbols: dict[str, None] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, int] = field(default_factory=dict)
    writing: set[str] = field(default_factory=set)
    """The helpers that the function being written needs."""

    def declare(self, name: str, result: Type | str, *arguments: Type | str) -> None:
        if name not in self.declarations:
            self.declarations[name] = f"declare {result} @{name}({', '.join(map(str, arguments))})"

    def helper(self, name: str, result: Type | None, arguments: Sequence[Type], body: Callable[[Code, list[Value]], Value | None]) -> str:
        """The name of an internal function, emitted once: `body` is given its code and its arguments, and gives the result if any."""

        def write() -> str:
            code = Code(self)
            values = [Value(f"%a{n}", t) for n, t in enumerate(arguments)]
            returned = body(code, values)
            code.effect("ret void" if returned is None else f"ret {returned.type} {returned.text}")
            parameters = ", ".join(f"{t} %a{n}" for n, t in enumerate(arguments))
            return f"define internal {result or 'void'} @{name}({parameters}) #0 {{\n{code.text()}}}\n"

        self.once(name, write)
        return name

    def once(self, name: str, write: Callable[[], str]) -> None:
        """Adds a helper function or a table, whose text `write` gives, unless there is one of the name; what is being written needs it."""
        self.writing.add(name)
        if name not in self.functions:
            self.define(name, write)

    def define(self, name: str, write: Callable[[], str]) -> None:
        """Adds the function whose text `write` gives; the helpers that are asked for meanwhile are those that it needs."""
        outer, self.writing = self.writing, set()
        self.functions[name] = ""
        self.functions[name] = write()
        self.called[name], self.writing = self.writing, outer

    def counted(self, name: str) -> int:
        """How often this was asked of a name, this time included."""
        self.counts[name] += 1
        return self.counts[name]

    def numbered(self, text: str) -> int:
        """A number for a text, the same for the same."""
        return self.numbers.setdefault(text, len(self.numbers))

    def text(self, names: Sequence[str] | None = None, elsewhere: Sequence[str] = ()) -> str:
        """A module of these functions and what they need, by default of all; `elsewhere` declares functions of other modules."""
        chosen = self.functions if names is None else self._closed(names)
        functions = [self.functions[name] for name in chosen]
        metadata = [f'{RARELY} = !{{!"branch_weights", i32 1, i32 4096}}', f"{FLEETING} = !{{i32 1}}"]
        return "\n".join(
            [*functions, *elsewhere, *sorted(self.declarations.values()), f"attributes #0 = {{ {self.attributes} }}", *metadata, ""]
        )

    def _closed(self, names: Sequence[str]) -> Sequence[str]:
        """The names and those of the helpers that they call, directly or not."""
        found = dict.fromkeys(names)
        queue = list(found)
        for name in queue:
            new = [callee for callee in self.called[name] if callee not in found]
            found |= dict.fromkeys(new)
            queue += new
        return [name for name in self.functions if name in found]


@dataclass
class Scope:
    """A straight piece of code, or the inside of a loop. Its last block stays open until it is closed."""

    depth: int
    block: str
    lines: list[str] = field(default_factory=list)
    memo: dict[str, Value] = field(default_factory=dict)


class Code:
    """The body of one function.

    A pure instruction is emitted in the scope of its deepest operand, which is outside every loop that it does not depend on, and once:
    invariants and common subexpressions need no pass of LLVM's. So every pure instruction must be safe to execute early.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.entry: list[str] = []
        self.scopes = [Scope(0, "entry")]
        self.count = 0  # of names: about as many as there are instructions
        self.floor = 0  # no instruction goes further out
        self.squares: dict[tuple[Type, int], Value] = {}
        self.sums: dict[str, tuple[Value, int]] = {}
        self.narrow: dict[str, Value] = {}  # of registers that were rounded to bf16: their elements as they are in memory
        self.approximated = 0  # functions that were written out
        self.compensated = not module.fast  # whether functions keep what rounding takes

    # Text.

    @property
    def scope(self) -> Scope:
        return self.scopes[-1]

    @property
    def depth(self) -> int:
        return len(self.scopes) - 1

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def label(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def text(self) -> str:
        return "\n".join(["entry:", *self.entry, *self.scopes[0].lines, ""])

    # Instructions.

    def pure(self, type: Type, text: str, *operands: Value) -> Value:
        """The value of an instruction without effects: the earlier one where it was emitted before."""
        depth = self.floor
        for o in operands:
            if o.depth > depth:
                depth = o.depth
        scope = self.scopes[depth]
        found = scope.memo.get(text)
        if found is None:
            name = self.fresh()
            scope.lines.append(f"  {name} = {text}")
            scope.memo[text] = found = Value(name, type, depth)
        return found

    def pinned(self, type: Type, text: str) -> Value:
        """The value of an instruction that stays where it is, such as a load of what is written nearby."""
        name = self.fresh()
        self.scope.lines.append(f"  {name} = {text}")
        return Value(name, type, self.depth)

    def placed(self, type: Type, text: str, depth: int, version: int) -> Value:
        """The value of a load in the scope of that depth: the earlier one of the same version of memory where there was one."""
        depth = max(depth, self.floor)
        scope = self.scopes[depth]
        key = f"{version} {text}"
        found = scope.memo.get(key)
        if found is None:
            found = Value(self.fresh(), type, depth)
            scope.lines.append(f"  {found.text} = {text}")
            scope.memo[key] = found
        return found

    def first(self, type: Type, text: str) -> Value:
        """The value of an instruction ahead of all loops, wherever it is asked for: of what may be done in any case."""
        name = self.fresh()
        self.scopes[0].lines.append(f"  {name} = {text}")
        return Value(name, type)

    def effect(self, text: str) -> None:
        self.scope.lines.append("  " + text)

    def alloca(self, type: Type | str, count: int = 1, align: int = 64) -> Value:
        name = self.fresh()
        self.entry.append(f"  {name} = alloca {type}, i64 {count}, align {align}")
        return Value(name, POINTER)

    def square(self, type: Type, count: int) -> Value:
        """Memory for so many registers, which is used by one statement after the other."""
        key = (type, count)
        if key not in self.squares:
            self.squares[key] = self.alloca(type, count)
        return self.squares[key]

    def binary(self, instruction: str, a: Value, b: Value) -> Value:
        return self.pure(a.type, f"{instruction} {a.type.text} {a.text}, {b.text}", a, b)

    def compare(self, predicate: str, a: Value, b: Value) -> Value:
        """`predicate` is LLVM's, with its instruction: "fcmp olt", "icmp slt"."""
        return self.pure(of("i1", a.type.lanes), f"{predicate} {a.type.text} {a.text}, {b.text}", a, b)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        if a.text == b.text:
            return a
        if condition.type.lanes != a.type.lanes:
            condition = self.splat(condition, a.type.lanes)
        return self.pure(
            a.type, f"select {condition.type.text} {condition.text}, {a.type.text} {a.text}, {b.type.text} {b.text}", condition, a, b
        )

    def convert(self, instruction: str, a: Value, type: Type) -> Value:
        return a if a.type is type else self.pure(type, f"{instruction} {a.type.text} {a.text} to {type.text}", a)

    def negate(self, a: Value) -> Value:
        return self.pure(a.type, f"fneg {a.type.text} {a.text}", a)

    def intrinsic(self, name: str, *arguments: Value, overload: str | None = None, extra: str = "", result: Type | None = None) -> Value:
        """`@llvm.<name>.<overload>(arguments, extra)`, of one without effects. The overload is the first argument's type by default."""
        result = arguments[0].type if result is None else result
        full = f"llvm.{name}.{arguments[0].type.suffix if overload is None else overload}"
        if full not in self.module.declarations:
            types = [a.type.text for a in arguments] + ([extra.split()[0]] if extra else [])
            self.module.declare(full, result, *types)
        texts = [f"{a.type.text} {a.text}" for a in arguments] + ([extra] if extra else [])
        return self.pure(result, f"call {result.text} @{full}({', '.join(texts)})", *arguments)

    def call(self, name: str, result: Type, *arguments: Value) -> Value:
        """A call of a function without effects that the module has or declares."""
        return self.pure(result, f"call {result.text} @{name}({', '.join(f'{a.type.text} {a.text}' for a in arguments)})", *arguments)

    # Lanes.

    def splat(self, value: Value, lanes: int) -> Value:
        """The scalar in every lane; a vector is itself."""
        if value.type.lanes == lanes:
            return value
        type = value.type.with_lanes(lanes)
        if value.is_constant:
            return Value(f"splat ({value.type.text} {value.text})", type)
        first = self.pure(type, f"insertelement {type.text} poison, {value.type.text} {value.text}, i64 0", value)
        return self.pure(type, f"shufflevector {type.text} {first.text}, {type.text} poison, <{lanes} x i32> zeroinitializer", first)

    def unify(self, *values: Value) -> tuple[Value, ...]:
        """The values, all vectors where one of them is."""
        widths = [v.type.lanes for v in values]
        lanes = max(widths)
        return values if min(widths) == lanes else tuple([self.splat(v, lanes) for v in values])

    def iota(self, lanes: int) -> Value:
        """0, 1, 2, ... as i64."""
        return Value(f"<{', '.join(f'i64 {n}' for n in range(lanes))}>", of("i64", lanes))

    def extract(self, vector: Value, lane: int) -> Value:
        return self.pure(vector.type.with_lanes(0), f"extractelement {vector.type.text} {vector.text}, i64 {lane}", vector)

    # Index arithmetic: i64, scalar or vector, with constants folded.

    def add(self, a: Value, b: Value) -> Value:
        x, y = a.number, b.number
        if x is None and y is None:
            return self.binary("add", *self.unify(a, b))
        if x == 0:
            return b
        if y == 0:
            return a
        if x is not None and y is not None:
            return _wrapped(x + y)
        total = self.binary("add", *self.unify(a, b))
        if y is not None and not a.type.lanes:
            base, more = self.without_constant(a)
            self.sums[total.text] = (base, more + y)
        return total

    def without_constant(self, a: Value) -> tuple[Value, int]:
        """(b, c) with a = b + c: c what is known of an i64 scalar."""
        known = a.number
        return (integer(0), known) if known is not None else self.sums.get(a.text, (a, 0))

    def sub(self, a: Value, b: Value) -> Value:
        x, y = a.number, b.number
        if y == 0:
            return a
        if y is not None:
            return self.add(a, integer(-y)) if x is None else _wrapped(x - y)
        return self.binary("sub", *self.unify(a, b))

    def mul(self, a: Value, b: Value) -> Value:
        x, y = a.number, b.number
        if x is None and y is None:
            return self.binary("mul", *self.unify(a, b))
        if x == 0 or y == 0:
            return integer(0)
        if x == 1:
            return b
        if y == 1:
            return a
        if x is not None and y is not None:
            return _wrapped(x * y)
        return self.binary("mul", *self.unify(a, b))

    def least(self, a: Value, b: Value) -> Value:
        """The smaller of two i64 scalars."""
        x, y = a.number, b.number
        if x is not None and y is not None:
            return integer(min(x, y))
        return self.intrinsic("smin", a, b)

    def greatest(self, a: Value, b: Value) -> Value:
        x, y = a.number, b.number
        if x is not None and y is not None:
            return integer(max(x, y))
        return self.intrinsic("smax", a, b)

    # Blocks.

    def loop(
        self, start: Value, stop: Value, step: int, carried: Sequence[Value], body: Callable[[Value, list[Value]], Sequence[Value]]
    ) -> tuple[Value, list[Value]]:
        """Runs `body` for start, start + step, ... while less than stop: from the counter and the carried values to their new ones.

        Gives the counter and the carried values as they are after the loop.
        """
        guard = self.compare("icmp slt", start, stop)
        head, after = self.label(), self.label()
        inner = Scope(len(self.scopes), head)
        self.scopes.append(inner)
        counter = Value(self.fresh(), INT, inner.depth)
        phis = [Value(self.fresh(), c.type, inner.depth) for c in carried]
        results = list(body(counter, phis))
        following = self.pinned(INT, f"add i64 {counter.text}, {step}")
        again = self.pinned(BIT, f"icmp slt i64 {following.text}, {stop.text}")
        latch = inner.block
        self.effect(f"br i1 {again.text}, label %{head}, label %{after}")
        self.scopes.pop()
        outer = self.scope
        before = outer.block
        outer.lines.append(f"  br i1 {guard.text}, label %{head}, label %{after}")
        outer.lines.append(f"{head}:")
        firsts, nexts = [start, *carried], [following, *results]
        for phi, first, new in zip([counter, *phis], firsts, nexts, strict=True):
            outer.lines.append(f"  {phi.text} = phi {phi.type.text} [ {first.text}, %{before} ], [ {new.text}, %{latch} ]")
        outer.lines += inner.lines
        outer.lines.append(f"{after}:")
        outer.block = after
        ends = [
            self.pinned(first.type, f"phi {first.type.text} [ {first.text}, %{before} ], [ {new.text}, %{latch} ]")
            for first, new in zip(firsts, nexts, strict=True)
        ]
        return ends[0], ends[1:]

    def while_loop(
        self,
        carried: Sequence[Value],
        condition: Callable[[list[Value]], Value],
        body: Callable[[list[Value]], Sequence[Value]],
    ) -> list[Value]:
        """Runs `body` while the condition on the carried values holds; gives them as they are then."""
        head, inside, after = self.label(), self.label(), self.label()
        inner = Scope(len(self.scopes), head)
        self.scopes.append(inner)
        phis = [Value(self.fresh(), c.type, inner.depth) for c in carried]
        holds = condition(phis)
        self.effect(f"br i1 {holds.text}, label %{inside}, label %{after}")
        inner.lines.append(f"{inside}:")
        inner.block = inside
        results = body(phis)
        latch = inner.block
        self.effect(f"br label %{head}")
        self.scopes.pop()
        outer = self.scope
        before = outer.block
        outer.lines += [f"  br label %{head}", f"{head}:"]
        for phi, first, new in zip(phis, carried, results, strict=True):
            outer.lines.append(f"  {phi.text} = phi {phi.type.text} [ {first.text}, %{before} ], [ {new.text}, %{latch} ]")
        outer.lines += inner.lines
        outer.lines.append(f"{after}:")
        outer.block = after
        return [Value(phi.text, phi.type, outer.depth) for phi in phis]

    def rarely(self, condition: Value, usual: Value, body: Callable[[], Value]) -> Value:
        """`usual`, but where the condition holds in any lane, what `body` makes of the operands that these two are made of."""
        depth = max(condition.depth, usual.depth)
        key = f"rarely {condition.text} {usual.text}"
        outer = self.scopes[depth]
        if key in outer.memo:
            return outer.memo[key]
        if condition.type.lanes:
            condition = self.intrinsic("vector.reduce.or", condition, result=BIT)
        other, after = self.label(), self.label()
        inner = Scope(depth + 1, other)
        open_scopes, floor = self.scopes, self.floor
        self.scopes, self.floor = [*open_scopes[: depth + 1], inner], depth + 1
        value = body()
        self.scopes, self.floor = open_scopes, floor
        before, outer.block = outer.block, after
        result = Value(self.fresh(), usual.type, depth)
        taken = f"  br i1 {condition.text}, label %{other}, label %{after}, !prof {RARELY}"
        back = f"  {result.text} = phi {usual.type} [ {usual.text}, %{before} ], [ {value.text}, %{inner.block} ]"
        outer.lines.append("\n".join([taken, f"{other}:", *inner.lines, f"  br label %{after}", f"{after}:", back]))
        outer.memo[key] = result
        return result

    def rarely_by(self, condition: Value, usual: Value, name: str, body: Callable[[Code, list[Value]], Value], *arguments: Value) -> Value:
        """`usual`, but where the condition holds in any lane, what a helper function of this name makes of the arguments."""
        compensated, type = self.compensated, usual.type

        def write(inner: Code, values: list[Value]) -> Value:
            with inner.compensating(compensated):
                return body(inner, values)

        def call() -> Value:
            precise = ".precise" if compensated and self.module.fast else ""
            helper = self.module.helper(f"tensorc.{name}.rare{precise}.{type.suffix}", type, [a.type for a in arguments], write)
            return self.call(helper, type, *arguments)

        return self.rarely(condition, usual, call)

    def together(self, makers: Sequence[Callable[[], Value]]) -> list[Value]:
        """What each gives; where they write approximations, instructions of neighbours are interleaved."""
        values: list[Value] = []
        for first in range(0, len(makers), AT_ONCE):
            lines, written = self.scope.lines, self.approximated
            start = len(lines)
            values += [make() for make in makers[first : first + AT_ONCE]]
            if self.approximated - written > 1:
                lines[start:] = interleaved(lines[start:]) or lines[start:]
        return values

    @contextmanager
    def compensating(self, compensated: bool) -> Iterator[None]:
        """What functions are emitted inside keep what rounding takes, or do not, whatever the module says."""
        before, self.compensated = self.compensated, compensated
        yield
        self.compensated = before

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """What is emitted inside runs where the i1 scalar is true; no value leaves it."""
        then, after = self.label(), self.label()
        inner = Scope(len(self.scopes), then)
        self.scopes.append(inner)
        yield
        self.effect(f"br label %{after}")
        self.scopes.pop()
        outer = self.scope
        outer.lines.append(f"  br i1 {condition.text}, label %{then}, label %{after}")
        outer.lines.append(f"{then}:")
        outer.lines += inner.lines
        outer.lines.append(f"{after}:")
        outer.block = after

    def either(self, condition: Value, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Runs one of two where the i1 scalar is true and where it is not; no value leaves them."""
        labels = self.label(), self.label()
        after = self.label()
        written = []
        for label, body in zip(labels, (then, otherwise), strict=True):
            inner = Scope(len(self.scopes), label)
            self.scopes.append(inner)
            body()
            self.effect(f"br label %{after}")
            written += [f"{label}:", *self.scopes.pop().lines]
        outer = self.scope
        outer.lines += [f"  br i1 {condition.text}, label %{labels[0]}, label %{labels[1]}", *written, f"{after}:"]
        outer.block = after


def _wrapped(value: int) -> Value:
    return integer(((value + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63))
