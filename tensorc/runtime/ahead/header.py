"""The C header of a library: its arrays, its functions, what they want and what their codes mean."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tensorc.dtypes import DType
from tensorc.runtime.ahead.contract import GENERAL, Argument, Contract

_ELEMENTS = {"bool": "uint8_t", "f16": "uint16_t", "bf16": "uint16_t", "f32": "float", "f64": "double"}
_NOTES = {"bool": ", 0 or 1", "f16": ", the bits of an IEEE half", "bf16": ", the upper half of a float's bits"}

_INTRODUCTION = """\
Made by tensorc. Nothing else is needed to use the library but the C library and its libm.

Each function takes arrays and writes its results into arrays, all of them the caller's. It returns 0; or, before anything is written, the
number of what is wrong; or, with results that are of no use, the number of a check that failed while it ran. NAME_error(number) says what
a number means. A function keeps nothing, so that threads may call it at the same time; a call runs on the thread that it is made on, and
takes memory for its intermediates by malloc for as long as it runs. A result may overlap no other array.

An array is a pointer to its first element, its shape, and its strides in elements, which may be NULL where it is row-major; with no
axes the shape may be NULL too. The data of an array without elements may be NULL. Arrays need no alignment but that of their elements.
"""


def element(dtype: DType) -> str:
    """The C type of an array's elements."""
    known = _ELEMENTS.get(dtype.name)
    return known or f"{'u' if dtype.name.startswith('u') else ''}int{dtype.bits}_t"


def header(name: str, contracts: Sequence[Contract]) -> str:
    """The header of a library."""
    guard = f"TENSORC_{name.upper()}_H"
    dtypes = sorted({a.dtype for c in contracts for a in c.arguments}, key=lambda d: d.name)
    general = "\n".join(f"{code}: {text}." for code, text in GENERAL.items())
    parts = [
        _comment(_INTRODUCTION + "\nOf every function:\n" + general),
        f'#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern "C" {{\n#endif',
        *map(_array, dtypes),
        *map(_function, contracts),
        f"#ifdef __cplusplus\n}}\n#endif\n\n#endif /* {guard} */",
    ]
    return "\n\n".join(parts) + "\n"


def _comment(text: str) -> str:
    lines = text.replace("*/", "* /").strip("\n").splitlines()
    if len(lines) == 1:
        return f"/* {lines[0]} */"
    return "/*\n" + "\n".join(f" * {line}".rstrip() for line in lines) + "\n */"


def _array(dtype: DType) -> str:
    """The type of arrays of a dtype, which several headers may define."""
    guard = f"TC_{dtype.name.upper()}"
    note = f" /* {dtype.name}{_NOTES[dtype.name]} */" if dtype.name in _NOTES else ""
    fields = f"    {element(dtype)} *data;{note}\n    const int64_t *shape;\n    const int64_t *strides;"
    return f"#ifndef {guard}\n#define {guard}\ntypedef struct {{\n{fields}\n}} tc_{dtype.name};\n#endif"


def _function(c: Contract) -> str:
    taken = ", ".join(f"const tc_{a.dtype.name} *{a.name}" for a in c.arguments)
    lines = [*([c.doc, ""] if c.doc else []), *(f"{_type(a)}{'  (written)' if a.is_result else ''}" for a in c.arguments)]
    if c.rules:
        lines += ["", "It returns the number of what is wrong:"]
        for number, rule in enumerate(c.rules, 1):
            lines += textwrap.wrap(f"{number}: {rule.text}.", 116, subsequent_indent="   ")
    declaration = f"int {c.name}({taken});"
    if len(declaration) > 120:
        separator = ",\n" + " " * (len(c.name) + 5)
        declaration = f"int {c.name}({separator.join(taken.split(', '))});"
    return f"{_comment(chr(10).join(lines))}\n{declaration}\nconst char *{c.name}_error(int number);"


def _type(a: Argument) -> str:
    return f"{a.name}: {a.dtype}[{', '.join(map(str, a.extents))}]" if a.extents else f"{a.name}: {a.dtype}"
