"""E09xx: Python functions that are traced, and what Python callers write."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "E0901",
        "a compile inside of `no_compile`",
        "Within `tc.no_compile()` a call whose dtypes, ranks and static values have no program yet is an error; `warmup` makes it before.",
    ),
    Rule(
        "E0902",
        "the value of a traced array",
        "A Python function is traced once, for all values that its arrays may have: `if`, `float(x)`, `np.asarray(x)` and an "
        "axis that is an argument ask for a value that there is not. Choose element by element with `tc.where`, and name "
        "parameters that Python needs the value of in `static=`.",
    ),
    Rule(
        "E0903",
        "a size that is not known while tracing",
        "One program serves every size, so `range(x.shape[0])`, `math.sqrt(n)` and `if n > 3` have no answer. Arithmetic on "
        "sizes, `n ** 0.5`, `tc.arange(n)` and `tc.zeros([n])` do; axes of size 1 are known.",
    ),
    Rule(
        "E0904",
        "writing to a traced array",
        "Arrays are values: `x[i] = v` and `out=` cannot be traced. Make a new array with `tc.where`, `tc.concat` or `tc.scatter_add`.",
    ),
    Rule(
        "E0905",
        "a traced array outside of its function",
        "What a traced function stores elsewhere has no value after it, or in another function. Return it.",
    ),
    Rule(
        "E0906",
        "nothing that can be traced",
        "Arguments of operations are arrays, numbers, strings, dtypes, and tuples and lists of those.",
    ),
    Rule(
        "E0907",
        "a function that cannot be traced",
        "tensorc knows many functions of NumPy and PyTorch by name; this one is none of them. Write it with operators and the "
        "functions of `tc`.",
    ),
    Rule(
        "E0908",
        "an argument that cannot be traced",
        "The function can be traced, but not with this argument of it.",
    ),
    Rule(
        "E0909",
        "a traced function returns no array",
        "A traced function returns an array, or a tuple of arrays.",
    ),
    Rule(
        "E0910",
        "a parameter of a signature is no tensor",
        "A signature lists the types of the tensor parameters in order. Parameters of other types are left out of it and named "
        "in `static=`.",
    ),
    Rule(
        "E0911",
        "a signature for other parameters",
        "A signature has one type for each parameter that is not named in `static=`.",
    ),
    Rule(
        "E0912",
        "a result that is not what the signature says",
        "The dtype, rank and sizes of each result must be those behind the arrow.",
    ),
    Rule(
        "E0913",
        "no dim for a spec",
        "A dim of a spec or a signature is a number, a name, `_`, or arithmetic on those; a spec has a fixed number of axes.",
    ),
    Rule(
        "E0914",
        "several `...` in one type",
        "At most one `...` stands in a type: where each begins could not be told.",
    ),
)
