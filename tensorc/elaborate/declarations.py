"""What can be wrong with the head of a function alone: names that are given twice or are dtypes, dtypes and dims that nothing declares."""

from __future__ import annotations

from collections.abc import Iterator

from tensorc.diagnostics import CompileError, Label, error
from tensorc.dtypes import DTYPES
from tensorc.elaborate.hints import did_you_mean
from tensorc.source import Span
from tensorc.syntax import tree


def defined_twice(name: str, span: Span, first: Span) -> CompileError:
    return error("E0204", f"`{name}` is defined twice", span, "again here", Label(first, "first defined here"))


def declaration_errors(f: tree.Function) -> list[CompileError]:
    """All mistakes in a function's head."""
    return [*_names(f), *_dims(f), *_dtypes(f), *_splices(f)]


def _is_dtype(name: str, span: Span) -> CompileError:
    return error("E0208", f"`{name}` is a dtype", span, "cannot be a name", help=f"choose another name: `{name}_`")


def _names(f: tree.Function) -> Iterator[CompileError]:
    """The names of the function, its dtype variables and its parameters."""
    if f.name in DTYPES:
        yield _is_dtype(f.name, f.name_span)
    seen: dict[str, Span] = {}
    for p in (*f.type_parameters, *f.parameters):
        if p.name in seen:
            yield defined_twice(p.name, p.name_span, seen[p.name])
        if p.name in DTYPES:
            yield _is_dtype(p.name, p.name_span)
        seen.setdefault(p.name, p.name_span)
        if isinstance(p, tree.Parameter) and isinstance(p.type, tree.TupleType):
            help = "give each its own parameter"
            yield error("E0613", "a parameter is one tensor or one static value", p.type.span, "a tuple", help=help)


def _dims(f: tree.Function) -> Iterator[CompileError]:
    """Dims share the names of dtypes, dtype variables and tensors; each is reported where it first stands."""
    taken = {t.name: t.name_span for t in f.type_parameters}
    taken |= {p.name: p.name_span for p in f.parameters if isinstance(p.type, tree.TensorType)}
    seen: set[str] = set()
    for t in _tensor_types(f):
        for d in t.dims:
            if not isinstance(d, tree.Name) or d.name in seen:
                continue
            seen.add(d.name)
            if d.name in DTYPES:
                yield _is_dtype(d.name, d.span)
            elif d.name in taken:
                what = "dtype variable" if any(v.name == d.name for v in f.type_parameters) else "tensor"
                first = Label(taken[d.name], f"a {what}")
                yield error(
                    "E0204",
                    f"`{d.name}` is a {what}, and cannot be a dim",
                    d.span,
                    "a dim here",
                    first,
                    help="choose another name for the dim",
                )


def _dtypes(f: tree.Function) -> Iterator[CompileError]:
    """Dtypes that are none, and dtype variables that no parameter's type binds."""
    variables = {t.name for t in f.type_parameters}
    statics = {p.name for p in f.parameters if isinstance(p.type, tree.StaticType) and p.type.name == "dtype"}
    bound = {p.type.dtype for p in f.parameters if isinstance(p.type, tree.TensorType)}
    for t in f.type_parameters:
        if t.name not in bound:
            help = f"use it in a parameter's type: `x: {t.name}[N]`"
            yield error(
                "E0209", f"the dtype variable `{t.name}` stands for no parameter's dtype", t.name_span, "bound by nothing", help=help
            )
    in_parameters = {id(p.type) for p in f.parameters}
    seen: set[str] = set()
    for u in _tensor_types(f):
        known = {*DTYPES, *variables} if id(u) in in_parameters else {*DTYPES, *variables, *statics}
        if u.dtype not in known and u.dtype not in seen:
            seen.add(u.dtype)
            help = did_you_mean(u.dtype, known) or f"the dtypes are {', '.join(DTYPES)}"
            if len(u.dtype) == 1 and u.dtype.isupper():
                help = f"a dtype variable is declared after the name: `fn {f.name}<{u.dtype}: float>(...)`"
            yield error("E0407", f"unknown dtype `{u.dtype}`", u.dtype_span, "not a dtype", help=help)


def _splices(f: tree.Function) -> Iterator[CompileError]:
    """One `...` in a parameter's type: of two it would not be known how many axes each stands for.

    In a result, lists that are known stand as they like.
    """
    for t in _tensor_types(f):
        in_parameter = any(p.type is t for p in f.parameters)
        loose = [d for d in t.dims if isinstance(d, tree.Splice) and (in_parameter or d.name is None)]
        if len(loose) > 1:
            first = Label(loose[0].span, "the first")
            help = "one `...` stands for any number of axes, `_` for one"
            yield error("E0311", "two `...` in one type", loose[1].span, "how many axes are these?", first, help=help)


def _tensor_types(f: tree.Function) -> Iterator[tree.TensorType]:
    """The tensor types of the parameters and of the result."""
    stack: list[tree.Type] = [f.returns] if f.returns is not None else []
    stack += [p.type for p in reversed(f.parameters)]
    while stack:
        t = stack.pop()
        if isinstance(t, tree.TensorType):
            yield t
        elif isinstance(t, tree.TupleType):
            stack.extend(reversed(t.items))
