"""Elaboration: functions of files, or traces of Python, become programs of the typed IR; types, shapes and ranges are checked."""

from __future__ import annotations

from tensorc.elaborate.checking import check, check_function, representative
from tensorc.elaborate.instances import ArgumentType, Instance, ParameterInfo, ResultTree, instantiate, parameters, signature
from tensorc.elaborate.library import library_names
from tensorc.elaborate.tracing import Elaboration
from tensorc.elaborate.units import Unit, library_units, load_unit
from tensorc.elaborate.values import MISSING, Array, List, Tuple, Value

__all__ = [
    "MISSING",
    "ArgumentType",
    "Array",
    "Elaboration",
    "Instance",
    "List",
    "ParameterInfo",
    "ResultTree",
    "Tuple",
    "Unit",
    "Value",
    "check",
    "check_function",
    "instantiate",
    "library_names",
    "library_units",
    "load_unit",
    "parameters",
    "representative",
    "signature",
]
