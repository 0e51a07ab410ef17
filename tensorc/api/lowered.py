"""Lowered: a function for one kind of arguments, whose stages can be read. Compiled: the same as machine code with a fixed signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tensorc.algebra import Size
from tensorc.api.cost import Cost, cost
from tensorc.api.definition import Prepared, split_out
from tensorc.api.lanes import taker
from tensorc.api.specs import Spec, constrained
from tensorc.dtypes import DType, f32
from tensorc.errors import DTypeError
from tensorc.runtime import arrays
from tensorc.runtime.call import Call, Constraint
from tensorc.runtime.entry import Callable, Remembered

if TYPE_CHECKING:
    from tensorc.api.explanation import Explanation
    from tensorc.api.function import Function, _Entry
    from tensorc.compiler import Compilation
    from tensorc.ir.program import Program


class Lowered:
    """The program of a function for arguments of given dtypes, ranks and static values."""

    def __init__(self, function: Function, entry: _Entry, prepared: Prepared | None) -> None:
        self._function = function
        self._entry = entry
        self._prepared = prepared

    @property
    def program(self) -> Program:
        """The typed program, before any transformation."""
        return self._entry.instance.program

    @property
    def signature(self) -> str:
        return self._entry.instance.signature

    def as_text(self, stage: str = "typed") -> str:
        """A stage to be read: `ast typed grad opt schedule loops llvm asm`, or of a GPU `triton ttir ttgir ptx sass`.

        ValueError for a stage that there is not.
        """
        return self._function.inspect("ast") if stage == "ast" else self._entry.compilation.text(stage, self.sizes)

    @property
    def compilation(self) -> Compilation:
        """The stages."""
        return self._entry.compilation

    @property
    def optimised(self) -> Program:
        """The program, simplified."""
        return self._entry.compilation.optimised

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes that the arguments or specs have, where they say."""
        leaves = [] if self._prepared is None else self._prepared.leaves
        found: dict[str, int] = {}
        for leaf, tensor in zip(leaves, self.program.inputs, strict=False):
            for extent, n in zip(tensor.extents, leaf.shape, strict=False):
                if isinstance(extent.atom, Size) and isinstance(n, int):
                    found.setdefault(extent.atom.name, n)
        return found

    def cost(self) -> Cost:
        """Exact flops and bytes, symbolic in the sizes."""
        return cost(self.program)

    @property
    def widest(self) -> DType:
        """The float dtype that takes most room among the inputs and results; f32 where there is none."""
        floats = [t.dtype for t in (*self.program.inputs, *self.program.results) if t.dtype.is_float]
        return max(floats, key=lambda d: d.bits, default=f32)

    def explain(self) -> Explanation:
        """The kernels, with their flops and bytes, what was fused into each, and why not the rest."""
        from tensorc.api.explanation import explain

        return explain(self)

    def compile(self) -> Compiled:
        """Machine code for this signature alone. What specs said of sizes is checked at every call."""
        return Compiled(self)

    def __repr__(self) -> str:
        return f"<lowered {self._function.name}: {self.signature}>"


class Compiled(Callable):
    """Calls of one signature: never recompiled, and an error for arguments of any other dtypes, ranks or static values."""

    def __init__(self, lowered: Lowered) -> None:
        self._lowered = lowered
        entry, prepared = lowered._entry, lowered._prepared
        call = lowered._function._executable(entry)
        specs = {} if prepared is None else prepared.specs
        extents = {n: i.extents for n, i in enumerate(call.program.inputs)}
        extra = [Constraint(*c) for c in constrained(specs, extents)]
        self._key = None if prepared is None else prepared.key
        self._definition, self._takes_out, self.name = lowered._function._definition, lowered._function._takes_out, lowered._function.name
        self._calls = 0
        self._call = Call(call.program, entry.instance.result, call.executable, call.names, extra)

    @property
    def signature(self) -> str:
        return self._lowered.signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        captured = self._lowered._entry.instance.captured
        taken = taker(args, kwargs) or taker(captured, {})
        if taken is not None:
            return taken(self, args, kwargs)
        out, options = split_out(kwargs, self._takes_out)
        prepared = self._definition.prepare(args, options)
        if prepared.has_specs:
            self._lowered._function._refuse_specs()
        inputs, torch = self._entry(prepared).inputs(prepared)
        value = self._call(inputs, out, torch)
        self._remember(self._definition, self._takes_out, Remembered(args, kwargs, prepared.key, self._call, inputs, captured, out, torch))
        return value

    def _entry(self, prepared: Prepared) -> _Entry:
        """The program, for arguments of its key."""
        if prepared.key != self._key:
            raise DTypeError(
                f"`{self.name}` is compiled for {self._kind(self._lowered._prepared)}, but was called with {self._kind(prepared)}"
            )
        return self._lowered._entry

    def check(self, inputs: Any) -> None:
        """Raise ShapeError where the inputs do not have the sizes that specs said."""
        self._call.bind(inputs)

    @staticmethod
    def _kind(prepared: Prepared | None) -> str:
        """The arguments' types as one says them."""
        leaves = [] if prepared is None else prepared.leaves
        dtypes = [leaf.dtype if isinstance(leaf, Spec) else arrays.dtype_of(leaf) for leaf in leaves]
        kinds = [f"{dtype}[{', '.join(map(str, leaf.shape))}]" for dtype, leaf in zip(dtypes, leaves, strict=True)]
        return f"({', '.join(kinds)})"

    def as_text(self, stage: str = "asm") -> str:
        return self._lowered.as_text(stage)

    def cost(self) -> Cost:
        return self._lowered.cost()

    def __repr__(self) -> str:
        return f"<compiled {self._lowered._function.name}: {self.signature}>"
