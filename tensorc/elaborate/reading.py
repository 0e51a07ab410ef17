"""Reads the text of a program's IR back to the same objects."""

from __future__ import annotations

from tensorc.dtypes import DTYPES
from tensorc.elaborate.context import Context
from tensorc.elaborate.expressions import Evaluator, run
from tensorc.elaborate.instances import ArgumentType, build_instance, finish
from tensorc.elaborate.units import load_unit
from tensorc.ir.program import Program
from tensorc.source import Source
from tensorc.syntax import tree


def read(source: Source) -> Program:
    """The program that `ir.text.show` printed: its inputs, results and conditions are the identical objects.

    Checks of data-dependent subscripts are not in the text.
    """
    unit = load_unit(source)
    unit.is_library = True  # the text uses the library's internal functions
    ((name, function),) = unit.functions.items()
    context = Context(exact=True)
    arguments = []
    for p in function.parameters:
        assert isinstance(p.type, tree.TensorType)
        arguments.append(ArgumentType(DTYPES[p.type.dtype], len(p.type.dims)))
    inputs, result = run(build_instance(Evaluator(context), unit, function, arguments))
    return finish(context, name, inputs, result)[0]
