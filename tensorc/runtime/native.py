"""A small part of Python as LLVM IR: functions of 64-bit words, in which an address is a word too.

It has names, `if`, `while`, `for i in range(...)`, `return`, integer arithmetic, comparisons with `and`, `or` and `not`, calls, and memory:
`p[i]` is the i-th word behind the address `p`. Names in capitals are constants. Everything is signed.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Word = Any
"""The one type. What is written of it is translated, and never run as Python."""

Written = Any
"""A parameter of the one type: memory that the function writes. Such a function has a counterpart that compares the words (see `again`)."""


@dataclass(frozen=True)
class External:
    """A function or a place of the process: a function where it is called, else its address."""

    symbol: str
    result: str = "i64"

    def __call__(self, *_: Word) -> Word:
        raise AssertionError(f"{self.symbol} is called by translated code only")


def half(address: Word) -> Word:
    """The 32 bits at an address, without a sign."""
    raise AssertionError(address)


def stack(words: Word) -> Word:
    """Memory of the function that is running."""
    raise AssertionError(words)


def copy(to: Word, start: Word, words: Word) -> None:
    """Copies words that do not overlap."""
    raise AssertionError(to, start, words)


def clear(to: Word, count: Word) -> None:
    """Sets bytes to 0."""
    raise AssertionError(to, count)


def invoke(function: Word, *arguments: Word) -> Word:
    """Calls a C function by its address. Of a result of 32 bits, the upper half is anything."""
    raise AssertionError(function, arguments)


def again(function: Any, *arguments: Word) -> Word:
    """Calls the counterpart of a function that writes memory: it finds the words in the place of writing them, and gives 0 at the first one
    that is another."""
    raise AssertionError(function, arguments)


def divided(a: Word, b: Word) -> Word:
    """a / b, towards 0."""
    raise AssertionError(a, b)


def narrow(double: Word) -> Word:
    """The bits of a double as those of the nearest float."""
    raise AssertionError(double)


def floating(integer: Word) -> Word:
    """The bits of an integer as a double."""
    raise AssertionError(integer)


AGAIN = "again."
"""What the name of a counterpart begins with."""

_BINARY = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.LShift: "shl",
    ast.RShift: "lshr",
}
_COMPARE = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge"}


def translate(sources: Sequence[str], names: Mapping[str, Any], exported: Mapping[str, str]) -> str:
    """The functions of modules, given as text, as LLVM IR. `names` are their externals and constants; `exported` are the signatures of what
    is called from outside, as LLVM writes them: `ptr (ptr, i64)`. SyntaxError for what is no part of the language.

    What is called at one place is put there, and counterparts wherever they are called.
    """
    functions = [f for source in sources for f in ast.parse(source).body if isinstance(f, ast.FunctionDef)]
    local = {f.name: _written(f) for f in functions}
    writers = [_Function(f, names, local) for f in functions]
    writers += [_Function(f, names, local, compares=True) for f in functions if local[f.name]]
    called = Counter(name for w in writers for name in w.called)
    parts = [w.text("alwaysinline" if w.compared or called[w.name] == 1 else "") for w in writers]
    parts += [_export(name, signature) for name, signature in exported.items()]
    declared = {line for w in writers for line in w.declared}
    return "".join([*parts, *(f"{line}\n" for line in sorted(declared)), "attributes #0 = { nounwind }\n"])


def _written(function: ast.FunctionDef) -> str | None:
    """The parameter that is memory which the function writes."""
    return next((a.arg for a in function.args.args if isinstance(a.annotation, ast.Name) and a.annotation.id == "Written"), None)


def _export(name: str, signature: str) -> str:
    """A function with the types that C has for a function of words."""
    result, _, rest = signature.partition(" ")
    types = [t for t in rest.strip("()").split(", ") if t]
    lines = [f"define {result} @tensorc.{name}({', '.join(f'{t} %a{n}' for n, t in enumerate(types))}) #0 {{"]
    lines += [f"  %w{n} = ptrtoint ptr %a{n} to i64" for n, t in enumerate(types) if t == "ptr"]
    arguments = ", ".join(f"i64 %{'w' if t == 'ptr' else 'a'}{n}" for n, t in enumerate(types))
    lines += [f"  %r = call i64 @{name}({arguments})"]
    lines += ["  %p = inttoptr i64 %r to ptr", "  ret ptr %p"] if result == "ptr" else ["  ret i64 %r"]
    return "\n".join([*lines, "}", "", ""])


class _Function:
    """Writes one function. Variables are memory, which LLVM's first pass turns into registers."""

    def __init__(
        self, function: ast.FunctionDef, names: Mapping[str, Any], local: Mapping[str, str | None], *, compares: bool = False
    ) -> None:
        self.function = function
        self.names = names
        self.local = local
        self.compared = local[function.name] if compares else None
        self.name = f"{AGAIN if compares else ''}{function.name}"
        self.parameters = [a.arg for a in function.args.args]
        self.lines: list[str] = []
        self.declared: set[str] = set()
        self.count = 0
        self.open = True  # whether the last block goes on
        self.loops: list[tuple[str, str]] = []  # (where to continue, where to go on after a break)
        self.called: list[str] = []  # functions of the module, each as often as a place calls it
        self._write()

    def _write(self) -> None:
        stored = {n.id for n in ast.walk(self.function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self.lines += [f"  %{v} = alloca i64" for v in sorted({*self.parameters, *stored})]
        self.lines += [f"  store i64 %a.{p}, ptr %{p}" for p in self.parameters]
        self._body(self.function.body)
        if self.open:
            self._emit("ret i64 0")

    def text(self, attribute: str) -> str:
        parameters = ", ".join(f"i64 %a.{p}" for p in self.parameters)
        return "\n".join([f"define internal i64 @{self.name}({parameters}) {attribute} #0 {{", *self.lines, "}", "", ""])

    # Text.

    def _emit(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def _value(self, text: str) -> str:
        self.count += 1
        self._emit(f"%.{self.count} = {text}")
        return f"%.{self.count}"

    def _label(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def _start(self, label: str) -> None:
        if self.open:
            self._emit(f"br label %{label}")
        self.lines.append(f"{label}:")
        self.open = True

    def _leave(self, label: str) -> None:
        self._emit(f"br label %{label}")
        self.open = False

    # Statements.

    def _body(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, s: ast.stmt) -> None:
        match s:
            case ast.Expr(ast.Constant(str())):
                pass
            case ast.Expr(value):
                self._expression(value)
            case ast.Assign([target], value):
                self._assign(target, self._expression(value))
            case ast.AnnAssign(target, _, ast.expr() as value):
                self._assign(target, self._expression(value))
            case ast.AugAssign(target, op, value):
                self._assign(target, self._expression(ast.BinOp(_loaded(target), op, value)))
            case ast.If(test, body, otherwise):
                self._if(test, body, otherwise)
            case ast.While(test, body):
                self._while(test, body, [])
            case ast.For(ast.Name() as variable, ast.Call(ast.Name("range"), bounds), body):
                self._for(variable, bounds, body)
            case ast.Return(value):
                self._emit(f"ret i64 {'0' if value is None else self._expression(value)}")
                self.open = False
            case ast.Break():
                self._leave(self.loops[-1][1])
            case ast.Continue():
                self._leave(self.loops[-1][0])
            case _:
                raise SyntaxError(f"line {s.lineno}: {ast.unparse(s)}")

    def _assign(self, target: ast.expr, value: str) -> None:
        match target:
            case ast.Name(name):
                self._emit(f"store i64 {value}, ptr %{name}")
            case ast.Subscript(ast.Name(name)) if name == self.compared:
                self._compare(target, value)
            case ast.Subscript():
                self._emit(f"store i64 {value}, ptr {self._place(target)}")
            case _:
                raise SyntaxError(f"line {target.lineno}: {ast.unparse(target)}")

    def _compare(self, target: ast.Subscript, value: str) -> None:
        """Goes on where the word is the value."""
        other, after = self._label(), self._label()
        bit = self._value(f"icmp eq i64 {self._value(f'load i64, ptr {self._place(target)}')}, {value}")
        self._emit(f"br i1 {bit}, label %{after}, label %{other}")
        self.open = False
        self._start(other)
        self._emit("ret i64 0")
        self.open = False
        self._start(after)

    def _if(self, test: ast.expr, body: list[ast.stmt], otherwise: list[ast.stmt]) -> None:
        then, other, after = self._label(), self._label(), self._label()
        self._branch(test, then, other)
        self._start(then)
        self._body(body)
        if self.open:
            self._leave(after)
        self._start(other)
        self._body(otherwise)
        self._start(after)

    def _while(self, test: ast.expr, body: list[ast.stmt], step: list[ast.stmt]) -> None:
        head, inside, following, after = (self._label() for _ in range(4))
        self._start(head)
        self._branch(test, inside, after)
        self._start(inside)
        self.loops.append((following, after))
        self._body(body)
        self.loops.pop()
        self._start(following)
        self._body(step)
        self._leave(head)
        self._start(after)

    def _for(self, variable: ast.Name, bounds: list[ast.expr], body: list[ast.stmt]) -> None:
        first, last = (ast.Constant(0), bounds[0]) if len(bounds) == 1 else bounds
        self._assign(variable, self._expression(first))
        end = self._value(f"add i64 {self._expression(last)}, 0")
        test = ast.Compare(_loaded(variable), [ast.Lt()], [_Known(end)])
        self._while(test, body, [ast.AugAssign(variable, ast.Add(), ast.Constant(1))])

    # Conditions.

    def _branch(self, test: ast.expr, then: str, other: str) -> None:
        """Goes to one of two labels, the later parts of a condition only where the earlier ones leave it open."""
        match test:
            case ast.BoolOp(op, values):
                for value in values[:-1]:
                    further = self._label()
                    self._branch(value, *((further, other) if isinstance(op, ast.And) else (then, further)))
                    self._start(further)
                self._branch(values[-1], then, other)
            case ast.UnaryOp(ast.Not(), operand):
                self._branch(operand, other, then)
            case ast.Compare(left, [op], [right]):
                bit = self._value(f"icmp {_COMPARE[type(op)]} i64 {self._expression(left)}, {self._expression(right)}")
                self._emit(f"br i1 {bit}, label %{then}, label %{other}")
                self.open = False
            case _:
                self._branch(ast.Compare(test, [ast.NotEq()], [ast.Constant(0)]), then, other)

    # Values.

    def _expression(self, e: ast.expr) -> str:
        match e:
            case _Known(value):
                return value
            case ast.Constant(int(value)):
                return str(value)
            case ast.Name(name):
                return self._name(name)
            case ast.UnaryOp(ast.USub(), operand):
                return self._value(f"sub i64 0, {self._expression(operand)}")
            case ast.BinOp(left, op, right) if type(op) in _BINARY:
                return self._value(f"{_BINARY[type(op)]} i64 {self._expression(left)}, {self._expression(right)}")
            case ast.Subscript():
                return self._value(f"load i64, ptr {self._place(e)}")
            case ast.Call(ast.Name("again"), [ast.Name(name), *arguments]) if self.local.get(name):
                return self._local(f"{AGAIN}{name}", [self._expression(a) for a in arguments])
            case ast.Call(ast.Name(name), arguments):
                return self._call(name, [self._expression(a) for a in arguments])
            case _:
                raise SyntaxError(f"line {e.lineno}: {ast.unparse(e)}")

    def _name(self, name: str) -> str:
        found = self.names.get(name)
        if isinstance(found, int):
            return str(found)
        if isinstance(found, External):
            self.declared.add(f"@{found.symbol} = external global i8")
            return f"ptrtoint (ptr @{found.symbol} to i64)"
        return self._value(f"load i64, ptr %{name}")

    def _place(self, subscript: ast.Subscript) -> str:
        base, position = self._expression(subscript.value), self._expression(subscript.slice)
        pointer = self._pointer(base)
        return self._value(f"getelementptr i64, ptr {pointer}, i64 {position}")

    def _pointer(self, word: str) -> str:
        return self._value(f"inttoptr i64 {word} to ptr")

    def _call(self, name: str, values: list[str]) -> str:
        words = ", ".join(f"i64 {v}" for v in values)
        external = self.names.get(name)
        if name in self.local:
            return self._local(f"{AGAIN if self.compared and self.local[name] else ''}{name}", values)
        if isinstance(external, External):
            self.declared.add(f"declare {external.result} @{external.symbol}({', '.join('i64' for _ in values)})")
            called = f"call {external.result} ({', '.join('i64' for _ in values)}) @{external.symbol}({words})"
            return self._returned(called, external.result)
        match name, values:
            case "invoke", [function, *_]:
                return self._value(f"call i64 {self._pointer(function)}({words.partition(', ')[2]})")
            case "stack", [count]:
                return self._value(f"ptrtoint ptr {self._value(f'alloca i64, i64 {count}, align 16')} to i64")
            case "half", [address]:
                return self._value(f"zext i32 {self._value(f'load i32, ptr {self._pointer(address)}')} to i64")
            case "copy", [to, start, count]:
                size = self._value(f"shl i64 {count}, 3")
                self.declared.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
                self._emit(f"call void @llvm.memcpy.p0.p0.i64(ptr {self._pointer(to)}, ptr {self._pointer(start)}, i64 {size}, i1 false)")
                return "0"
            case "clear", [to, count]:
                self.declared.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
                self._emit(f"call void @llvm.memset.p0.i64(ptr {self._pointer(to)}, i8 0, i64 {count}, i1 false)")
                return "0"
            case "divided", [a, b]:
                return self._value(f"sdiv i64 {a}, {b}")
            case "narrow", [bits]:
                double = self._value(f"bitcast i64 {bits} to double")
                single = self._value(f"bitcast float {self._value(f'fptrunc double {double} to float')} to i32")
                return self._value(f"zext i32 {single} to i64")
            case "floating", [integer]:
                return self._value(f"bitcast double {self._value(f'sitofp i64 {integer} to double')} to i64")
        raise SyntaxError(f"{name} is no function of {len(values)} words")

    def _local(self, name: str, values: list[str]) -> str:
        self.called.append(name)
        return self._value(f"call i64 @{name}({', '.join(f'i64 {v}' for v in values)})")

    def _returned(self, called: str, result: str) -> str:
        if result == "void":
            self._emit(called)
            return "0"
        value = self._value(called)
        return self._value(f"bitcast double {value} to i64") if result == "double" else value


class _Known(ast.expr):
    """A value that is written already."""

    __match_args__ = ("value",)
    _fields = ("value",)

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value


def _loaded(target: ast.expr) -> ast.expr:
    """A target of an assignment as what it holds."""
    match target:
        case ast.Name(name):
            return ast.Name(name, ast.Load())
        case _:
            return target
