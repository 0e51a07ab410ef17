"""The C function around a program's kernels, as LLVM IR: it checks its arguments, lays out the frame and the workspace, and runs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tensorc.algebra import Atom, Poly, Quotient, Remainder, Size
from tensorc.loops.nest import Test
from tensorc.runtime.ahead.contract import MEMORY, NULL, SIZE, Argument, Contract
from tensorc.runtime.executable import PASSED
from tensorc.runtime.memory import ALIGNMENT, LARGEST
from tensorc.runtime.plan import Owned, Plan, Strides

Value = str
"""What stands for a 64-bit integer, or for a bit, in LLVM IR."""


class Wrapper:
    """Writes the function. Everything until the kernels run is straight-line code: `overflow` says whether a sum or product did not fit."""

    def __init__(self, contract: Contract, plan: Plan, rows: str, any: str) -> None:
        self.contract = contract
        self.plan = plan
        self.rows, self.any = rows, any
        """The kernels for row-major arrays, and those that rely on no strides."""
        self.lines: list[str] = []
        self.count = 0
        self.overflow: Value = "false"
        self.sizes: dict[str, Value] = {}
        self.numbers: dict[Poly, Value] = {}

    def text(self) -> str:
        """The module."""
        c = self.contract
        parameters = ", ".join(f"ptr %a{n}" for n in range(len(c.arguments)))
        self._check_pointers()
        self._run()
        body = "\n".join(self.lines)
        stops = f"null:\n  ret i32 {NULL}\nfailed:\n  ret i32 %code\nfull:\n  ret i32 {MEMORY}\n"
        head = f"define i32 @{c.name}({parameters}) nounwind {{\nentry:\n"
        declared = sorted({f"declare void @{name}(ptr)\n" for name in (self.rows, self.any)})
        return "".join([_SHARED, *declared, head, body, "\n", stops, "}\n", _messages(c)])

    # Writing.

    def _value(self, text: str) -> Value:
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def _any(self, bits: Iterable[Value]) -> Value:
        found = "false"
        for bit in bits:
            found = bit if found == "false" else self._value(f"or i1 {found}, {bit}")
        return found

    def _load(self, pointer: Value, place: int | Value = 0, type: str = "i64") -> Value:
        return self._value(f"load {type}, ptr {self._at(pointer, place)}, align 8")

    def _at(self, pointer: Value, place: int | Value) -> Value:
        return self._value(f"getelementptr i64, ptr {pointer}, i64 {place}")

    def _store(self, value: Value, pointer: Value, place: int) -> None:
        self.lines.append(f"  store i64 {value}, ptr {self._at(pointer, place)}, align 8")

    def _branch(self, bit: Value, target: str, label: str) -> None:
        self.lines += [f"  br i1 {bit}, label %{target}, label %{label}", f"{label}:"]

    # Integers.

    def _safely(self, operation: str, a: Value, b: Value) -> Value:
        """A sum, difference or product; 0 where it does not fit, which is remembered."""
        both = self._value(f"call {{ i64, i1 }} @llvm.s{operation}.with.overflow.i64(i64 {a}, i64 {b})")
        result, wrong = (self._value(f"extractvalue {{ i64, i1 }} {both}, {n}") for n in range(2))
        self.overflow = self._any([self.overflow, wrong])
        return self._value(f"select i1 {wrong}, i64 0, i64 {result}")

    def _times(self, a: Value, b: Value) -> Value:
        return b if a == "1" else a if b == "1" else self._safely("mul", a, b)

    def _plus(self, a: Value, b: Value) -> Value:
        return b if a == "0" else a if b == "0" else self._safely("add", a, b)

    def _number(self, p: Poly) -> Value:
        """A polynomial of the sizes."""
        found = self.numbers.get(p)
        if found is None:
            found = "0"
            for atoms, coefficient in p.terms:
                term = str(coefficient)
                for atom in atoms:
                    term = self._times(term, self._atom(atom))
                found = self._plus(found, term)
            self.numbers[p] = found
        return found

    def _atom(self, atom: Atom) -> Value:
        match atom:
            case Size(name):
                return self.sizes[name]
            case Quotient(numerator, divisor):
                return self._divided(self._number(numerator), self._number(divisor))[0]
            case Remainder(numerator, divisor):
                return self._divided(self._number(numerator), self._number(divisor))[1]
            case _:
                raise ValueError(f"{atom} is known at no call")

    def _divided(self, n: Value, d: Value) -> tuple[Value, Value]:
        """Quotient and remainder, floored; both 0 for a divisor of 0."""
        zero = self._value(f"icmp eq i64 {d}, 0")
        least = self._value(f"icmp eq i64 {n}, {-(1 << 63)}")  # by -1 it would trap
        safe = self._value(f"select i1 {self._any([zero, least])}, i64 1, i64 {d}")
        quotient, rest = self._value(f"sdiv i64 {n}, {safe}"), self._value(f"srem i64 {n}, {safe}")
        uneven = self._value(f"icmp ne i64 {rest}, 0")
        apart = self._value(f"icmp slt i64 {self._value(f'xor i64 {rest}, {safe}')}, 0")
        below = self._value(f"and i1 {uneven}, {apart}")
        quotient = self._value(f"select i1 {below}, i64 {self._value(f'sub i64 {quotient}, 1')}, i64 {quotient}")
        rest = self._value(f"select i1 {below}, i64 {self._value(f'add i64 {rest}, {safe}')}, i64 {rest}")
        quotient, rest = (self._value(f"select i1 {zero}, i64 0, i64 {v}") for v in (quotient, rest))
        return quotient, rest

    def _at_least_1(self, value: Value) -> Value:
        return self._value(f"call i64 @llvm.smax.i64(i64 {value}, i64 1)")

    # Arguments.

    def _check_pointers(self) -> None:
        """Leave where an argument or the shape of one with axes is NULL."""
        arguments = self.contract.arguments
        bits = [self._value(f"icmp eq ptr %a{n}, null") for n in range(len(arguments))]
        self._branch(self._any(bits), "null", "given")
        self.data = [self._load(f"%a{n}", 0, "ptr") for n in range(len(arguments))]
        self.shapes = [self._load(f"%a{n}", 1, "ptr") if a.extents else "" for n, a in enumerate(arguments)]
        bits = [self._value(f"icmp eq ptr {s}, null") for s in self.shapes if s]
        self._branch(self._any(bits), "null", "shaped")

    def _run(self) -> None:
        arguments = self.contract.arguments
        self.extents = [[self._load(s, axis) for axis in range(len(a.extents))] for s, a in zip(self.shapes, arguments, strict=True)]
        wild = [self._value(f"icmp ugt i64 {e}, {LARGEST}") for extents in self.extents for e in extents]
        for name, (number, axis) in self.contract.binders.items():
            self.sizes[name] = self.extents[number][axis]
        failures = [(self._any(wild), SIZE), *self._failures()]
        for name, value in self.plan.derived:
            self.sizes[name] = self._number(value)
        running = self._running()
        layouts = [self._layout(n, a, known) for n, (a, known) in enumerate(zip(arguments, self.plan.usual, strict=True))]
        offsets, slots, slot = self._places(running)
        total = self._plus(slots, slot)
        regions = [self._units(region.loops) for region in self.plan.regions]
        missing = self._any(bit for *_, bit in layouts)
        failures = [failures[0], (self.overflow, SIZE), (missing, NULL), *failures[1:]]
        failures.append((self._value(f"icmp ugt i64 {total}, {LARGEST}"), MEMORY))
        self._leave(failures)
        workspace, raw = self._workspace(total)
        names = (*self.plan.sizes, *(name for name, _ in self.plan.derived))
        sizes, strides = [self.sizes[name] for name in names], [s for _, strides, *_ in layouts for s in strides]
        runs = [self._value(f"zext i1 {bit} to i64") for bit, when in zip(running, self.plan.when, strict=True) if when]
        words = [*(self._value(f"ptrtoint ptr {pointer} to i64") for pointer, *_ in layouts), workspace]
        words += self.plan.words(sizes, strides, offsets, ("1", "0", slots, slot), ((units, "0") for units in regions), runs, "0")
        checks = [self._value(f"add i64 {workspace}, {offset}") for offset in offsets[self.plan.intermediates : self.plan.shared]]
        self._call(words, checks, self._any(bit for *_, bit, _ in layouts), raw)

    def _failures(self) -> list[tuple[Value, int]]:
        """When each rule is broken that can be seen before the kernels run, and its code."""
        found = []
        for code, rule in enumerate(self.contract.rules, 1):
            if rule.axis is not None and rule.extent is not None:
                number, axis = rule.axis
                found.append((self._value(f"icmp ne i64 {self.extents[number][axis]}, {self._number(rule.extent)}"), code))
            elif rule.condition is not None:
                condition = self.contract.program.conditions[rule.condition]
                relation = "ne" if condition.relation == "==" else "slt"
                found.append((self._value(f"icmp {relation} i64 {self._number(condition.value)}, 0"), code))
        return found

    def _leave(self, failures: Sequence[tuple[Value, int]]) -> None:
        """Return the code of the first failure."""
        code = "0"
        for bit, number in reversed(failures):
            if bit != "false":
                code = self._value(f"select i1 {bit}, i32 {number}, i32 {code}")
        self.lines.append(f"  %code = add i32 {code}, 0")
        self._branch(self._value("icmp ne i32 %code, 0"), "failed", "met")

    def _layout(self, number: int, a: Argument, usual: Strides) -> tuple[Value, list[Value], Value, Value]:
        """(where an argument is, its strides, whether these are not what row-major arrays have, whether it is missing).

        Of an argument without elements every element that may be read is one of zeros.
        """
        extents = self.extents[number]
        given = self._load(f"%a{number}", 2, "ptr") if extents else "null"
        total, rows = "1", ["1"] * len(extents)
        for axis in reversed(range(len(extents))):
            rows[axis] = total
            total = self._times(total, self._at_least_1(extents[axis]))
        own = self._value(f"alloca [{max(len(extents), 1)} x i64], align 8")
        for axis, value in enumerate(rows):
            self._store(value, own, axis)
        pointer = self._value(f"select i1 {self._value(f'icmp eq ptr {given}, null')}, ptr {own}, ptr {given}")
        strides = [self._load(pointer, axis) for axis in range(len(extents))]
        empty = self._any(self._value(f"icmp eq i64 {e}, 0") for e in extents)
        other = [
            self._value(f"and i1 {self._value(f'icmp ne i64 {s}, {fact}')}, {self._value(f'icmp ne i64 {e}, 1')}")
            for s, fact, e in zip(strides, usual, extents, strict=True)
            if fact is not None
        ]
        data = self._value(f"select i1 {empty}, ptr @tensorc.zeros, ptr {self.data[number]}")
        strides = [self._value(f"select i1 {empty}, i64 0, i64 {s}") for s in strides]
        missing = self._value(f"icmp eq ptr {data}, null")
        return data, strides, self._any([empty, *other]), missing

    # Memory.

    def _places(self, running: Sequence[Value]) -> tuple[list[Value], Value, Value]:
        """(where each memory of the workspace lies, a scratch in the thread's part; where that begins; how large it is)."""
        shared = self.plan.shared
        offsets, slots = self._packed(self.plan.owned[:shared], running)
        own, slot = self._packed(self.plan.owned[shared:], running)
        return offsets + own, slots, slot

    def _running(self) -> list[Value]:
        """Of each kernel whether it runs: whether its switches take its ways."""
        taken: list[list[Value]] = []
        for switch in self.plan.switches:
            ways: list[Value] = []
            before: list[Value] = []
            for tests in switch.ways:
                bits = [self._test(t) for t in tests]
                holds = self._value(f"xor i1 {self._any(bits)}, true") if bits else "true"
                ways.append(self._value(f"and i1 {holds}, {self._value(f'xor i1 {self._any(before)}, true')}"))
                before.append(holds)
            taken.append(ways)
        found = []
        for when in self.plan.when:
            others = [self._value(f"xor i1 {taken[switch][way]}, true") for switch, way in when]
            found.append(self._value(f"xor i1 {self._any(others)}, true") if when else "true")
        return found

    def _test(self, t: Test) -> Value:
        """Whether a test does not hold."""
        value = self._number(t.value)
        return self._any([self._value(f"icmp slt i64 {value}, {t.least}"), self._value(f"icmp sgt i64 {value}, {t.most}")])

    def _packed(self, owned: Sequence[Owned], running: Sequence[Value]) -> tuple[list[Value], Value]:
        """Places for memory, one for what has the same extents and is not in use at once; and where all end. What kernels use that do not
        all run in every call has a place of its own, of no bytes where none of them runs.
        """
        offsets: list[Value] = []
        total = "0"
        free: dict[tuple[object, int], list[tuple[int, Value]]] = {}
        for o in sorted(range(len(owned)), key=lambda n: owned[n].first):
            block = owned[o]
            users = self.plan.when[block.first : block.last + 1]
            is_switched = block.last < len(self.plan.when) and all(users)
            kind: tuple[object, int] = (o if is_switched else tuple(sorted(map(str, block.extents))), block.itemsize)
            places = free.setdefault(kind, [])
            ended = next((n for n, (last, _) in enumerate(places) if last < block.first), None)
            if ended is None:
                size = self._bytes(block)
                if is_switched:
                    size = self._value(f"select i1 {self._any(running[block.first : block.last + 1])}, i64 {size}, i64 0")
                place, total = total, self._plus(total, size)
            else:
                place = places.pop(ended)[1]
            places.append((block.last, place))
            offsets.append(place)
        order = sorted(range(len(owned)), key=lambda n: owned[n].first)
        return [place for _, place in sorted(zip(order, offsets, strict=True))], total

    def _bytes(self, block: Owned) -> Value:
        count = str(block.itemsize)
        for extent in block.extents:
            count = self._times(count, self._at_least_1(self._number(extent)))
        return self._value(f"and i64 {self._plus(count, str(ALIGNMENT - 1))}, {-ALIGNMENT}")

    def _units(self, loops: Sequence[tuple[Poly, int]]) -> Value:
        """How many blocks a region has, all of which the caller runs."""
        total = "1"
        for extent, step in loops:
            rounded = self._number(extent) if step == 1 else self._divided(self._plus(self._number(extent), str(step - 1)), str(step))[0]
            total = self._times(total, rounded)
        return total

    def _workspace(self, total: Value) -> tuple[Value, Value]:
        """(the workspace's address, what is to be freed)."""
        if not self.plan.owned:
            return "0", ""
        raw = self._value(f"call ptr @malloc(i64 {self._value(f'add i64 {total}, {ALIGNMENT}')})")
        self._branch(self._value(f"icmp eq ptr {raw}, null"), "full", "ready")
        address = self._value(f"ptrtoint ptr {raw} to i64")
        return self._value(f"and i64 {self._value(f'add i64 {address}, {ALIGNMENT - 1}')}, {-ALIGNMENT}"), raw

    def _call(self, words: Sequence[Value], checks: Sequence[Value], other: Value, raw: Value) -> None:
        """Run the kernels, and return the number of the first check that failed, whose cells hold something else than if none did."""
        assert len(words) == self.plan.length
        frame = self._value(f"alloca [{len(words)} x i64], align 64")
        for n, word in enumerate(words):
            self._store(word, frame, n)
        run = self._value(f"select i1 {other}, ptr @{self.any}, ptr @{self.rows}")
        self.lines.append(f"  call void {run}(ptr {frame})")
        code = "0"
        numbers = [n for n, rule in enumerate(self.contract.rules, 1) if rule.check is not None]
        for number, address in reversed(list(zip(numbers, checks, strict=True))):
            cell = self._load(self._value(f"inttoptr i64 {address} to ptr"))
            code = self._value(f"select i1 {self._value(f'icmp ne i64 {cell}, {PASSED}')}, i32 {number}, i32 {code}")
        if raw:
            self.lines.append(f"  call void @free(ptr {raw})")
        self.lines.append(f"  ret i32 {code}")


_SHARED = """\
@tensorc.zeros = internal constant [64 x i8] zeroinitializer, align 64
declare ptr @malloc(i64)
declare void @free(ptr)
declare { i64, i1 } @llvm.smul.with.overflow.i64(i64, i64)
declare { i64, i1 } @llvm.sadd.with.overflow.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
"""


def _messages(c: Contract) -> str:
    """The function that gives a code's message: text in one piece, and where each begins, so that nothing holds an address."""
    from tensorc.runtime.ahead.contract import GENERAL

    lowest = min(GENERAL)
    texts = [*(GENERAL.get(code, "") for code in range(lowest, 0)), "no error", *(rule.text for rule in c.rules), "unknown code"]
    blob, starts = b"", []
    for text in texts:
        starts.append(len(blob))
        blob += text.encode() + b"\0"
    escaped = "".join(f"\\{byte:02X}" for byte in blob)
    return f"""
@{c.name}.text = internal constant [{len(blob)} x i8] c"{escaped}"
@{c.name}.starts = internal constant [{len(starts)} x i32] [{", ".join(f"i32 {s}" for s in starts)}]

define ptr @{c.name}_error(i32 %code) nounwind {{
  %number = add i32 %code, {-lowest}
  %known = icmp ult i32 %number, {len(starts) - 1}
  %chosen = select i1 %known, i32 %number, i32 {len(starts) - 1}
  %wide = zext i32 %chosen to i64
  %start.at = getelementptr i32, ptr @{c.name}.starts, i64 %wide
  %start = load i32, ptr %start.at
  %offset = zext i32 %start to i64
  %text = getelementptr i8, ptr @{c.name}.text, i64 %offset
  ret ptr %text
}}
"""
