"""The CPU that code is made for, and the way from LLVM IR text to an object file and to functions in memory."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from tensorc.backends.llvm.undisturbed import alone
from tensorc.errors import ConfigError, suggestion


@dataclass(frozen=True)
class Target:
    """A CPU by LLVM's names. `vector_bytes` is the width of its vector registers.

    `fast` says that functions may be off by 4 units in the last place rather than by 1. `cache` is how many bytes its caches hold, where
    memory can be written past them, else 0.
    """

    triple: str
    cpu: str
    features: str
    fast: bool = False
    cache: int = 0

    @property
    def vector_bytes(self) -> int:
        enabled = set(self.features.split(","))
        if "+avx512f" in enabled and "+avx512vl" in enabled:
            return 64
        return 32 if "+avx" in enabled else 16

    @property
    def vector_registers(self) -> int:
        return 16 if self.triple.startswith(("x86", "i686")) and self.vector_bytes < 64 else 32

    @property
    def has_fused_multiply_add(self) -> bool:
        enabled = set(self.features.split(","))
        return "+fma" in enabled or "+avx512f" in enabled or not self.triple.startswith(("x86", "i686"))

    @property
    def has_half_conversions(self) -> bool:
        enabled = set(self.features.split(","))
        return "+f16c" in enabled or "+avx512f" in enabled or not self.triple.startswith(("x86", "i686"))

    @property
    def has_half_dots(self) -> bool:
        """Whether it adds two products of bf16 at a time, and may: those that overflow are infinite before they are added."""
        return self.fast and self.has_half_rounding

    @property
    def has_half_rounding(self) -> bool:
        """Whether it rounds a register of f32 to bf16."""
        return self.vector_bytes == 64 and "+avx512bf16" in self.features.split(",")

    @property
    def attributes(self) -> str:
        """The attributes of every function: without the CPU's, intrinsics would be expanded for a generic one, and without the stack's
        alignment, registers that are kept there would lie across lines of the cache, or not, by how deep a call is.
        """
        cpu = f'"target-cpu"="{self.cpu}" "target-features"="{self.features}"'
        return f'nounwind alignstack={self.vector_bytes} "prefer-vector-width"="{self.vector_bytes * 8}" {cpu}'


@cache
@alone
def host(cpu: str | None = None) -> Target:
    """This machine, or another CPU model of its architecture by LLVM's name ("x86-64-v3"), with that model's own features.

    ConfigError where LLVM makes no code for such a model.
    """
    if cpu is not None and not _is_known(cpu):
        architecture = llvm.get_default_triple().partition("-")[0]
        raise ConfigError(f"LLVM makes no code for a processor `{cpu}` on {architecture}{suggestion(cpu, (*MODELS, 'generic'))}")
    _initialize()
    triple = llvm.get_default_triple()
    if cpu is None:
        return Target(triple, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), cache=_cache(triple))
    return Target(triple, cpu, MODELS.get(cpu, ""), cache=_cache(triple))


USUAL_CACHE = 32 << 20
"""The bytes of the last cache, where the system does not say."""


def _cache(triple: str) -> int:
    """The bytes of the largest cache of this machine, of a processor that can write past it."""
    if not triple.startswith("x86_64"):
        return 0
    found = [0]
    for size in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = size.read_text().strip()
        if text.endswith("K") and text[:-1].isdigit():
            found.append(int(text[:-1]) << 10)
    return max(found) or USUAL_CACHE


_V3 = "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe"
_V4 = f"{_V3},+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"

MODELS = {
    "x86-64-v2": "+sse4.2,+popcnt",
    "x86-64-v3": _V3,
    "x86-64-v4": _V4,
    **dict.fromkeys(("haswell", "broadwell", "skylake", "alderlake", "znver1", "znver2", "znver3"), _V3),
    **dict.fromkeys(("skylake-avx512", "cascadelake", "icelake-client", "icelake-server", "tigerlake", "sapphirerapids"), _V4),
    **dict.fromkeys(("graniterapids", "znver4", "znver5"), _V4),
}
"""What some models have, of which code is made; of any other model it is what every processor of its architecture has."""


_PROBE = """
import sys
import llvmlite.binding as llvm
llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
machine = llvm.Target.from_triple(sys.argv[1]).create_target_machine(cpu=sys.argv[2])
machine.emit_object(llvm.parse_assembly("define i64 @f(i64 %x) { ret i64 %x }"))
"""


def _is_known(cpu: str) -> bool:
    """Whether LLVM knows a model. For one that it does not know it ends the process, so another one asks; True where that cannot be."""
    triple = llvm.get_default_triple()
    if cpu in ("generic", llvm.get_host_cpu_name()) or (cpu in MODELS and triple.startswith("x86_64")):
        return True
    try:
        words = [sys.executable, "-c", _PROBE, triple, cpu]
        ran = subprocess.run(words, capture_output=True, timeout=60, check=False)
    except (OSError, ValueError, subprocess.SubprocessError):
        return True
    return ran.returncode == 0 and b"is not a recognized processor" not in ran.stderr


_LEFT_OUT = (
    "-disable-lsr",
    "-disable-cgp",
    "-disable-select-optimize",
    "-disable-constant-hoisting",
    "-disable-machine-cse",
    "-disable-machine-sink",
    "-disable-copyprop",
    "-disable-branch-fold",
    "-enable-misched=false",
    "-enable-post-misched=false",
    "-disable-post-ra",
)
"""What takes more than half of the code generator's time and finds nothing: better addresses than those that are made as they should be,
what is computed twice, where each thing is computed once, and another order of instructions than the one that they were written in, which
processors find for themselves.
"""


@cache
def _initialize() -> None:
    for option in _LEFT_OUT:
        llvm.set_option("tensorc", option)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


_WINDOWS = sys.platform == "win32"
"""Elsewhere LLVM's JITLink lays code and constants side by side, so that code may reach its constants by short addresses."""


@cache
def _machine(target: Target) -> Any:
    return _new_machine(target)


def _new_machine(target: Target) -> Any:
    _initialize()
    chosen = llvm.Target.from_triple(target.triple)
    model = ("default", "jitdefault") if _WINDOWS else ("pic", "small")
    return chosen.create_target_machine(cpu=target.cpu, features=target.features, opt=2, reloc=model[0], codemodel=model[1], jit=_WINDOWS)


def _parse(text: str, target: Target, machine: Any = None) -> Any:
    machine = machine or _machine(target)
    module = llvm.parse_assembly(text, llvm.create_context())
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    return module


class Linked:
    """Modules that become one."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._context = llvm.create_context()
        self._whole: Any = None

    @alone
    def add(self, text: str, names: Mapping[str, str]) -> None:
        """Add a module. The functions in `names` get new names, under which other modules call them; all others are its own."""
        module = llvm.parse_assembly(text, self._context)
        for value in (*module.functions, *module.global_variables):
            if value.is_declaration:
                continue
            if value.name in names:
                value.name = names[value.name]
            else:
                value.linkage = "internal"
        if self._whole is None:
            self._whole = module
        else:
            self._whole.link_in(module)

    @alone
    def module(self, exports: Sequence[str]) -> Any:
        """All of them, of which only some functions are seen from outside."""
        whole = self._whole
        whole.triple = self._target.triple
        whole.data_layout = str(_machine(self._target).target_data)
        for function in whole.functions:
            if not function.is_declaration and function.name not in exports:
                function.linkage = "internal"
        return whole


@alone
def object_of_module(module: Any, target: Target) -> bytes:
    return bytes(_machine(target).emit_object(module))


@alone
def assembly_of(module: Any, target: Target) -> str:
    return str(_machine(target).emit_assembly(module))


def llvm_version() -> str:
    """LLVM's version, and that of its binding."""
    return f"{'.'.join(map(str, llvm.llvm_version_info))} {llvmlite.__version__}"


@alone
def emit_object(text: str, target: Target) -> bytes:
    """The object file of a module. The code generator alone: explicit vectors need no pass before it."""
    return object_of(text, target)


def object_of(text: str, target: Target) -> bytes:
    """The same while the lock is held, by this thread or by who waits for it. Several threads may be at it at once."""
    machine = _new_machine(target)  # a code generator is for one thread
    module = _parse(text, target, machine)
    module.verify()  # the code generator would end the process
    generate = _generator()
    made = generate and generate(machine, module, 1, ctypes.byref(ctypes.c_char_p()))
    if not made:
        return bytes(machine.emit_object(module))  # which also says what is wrong
    try:
        return ctypes.string_at(llvm.ffi.lib.LLVMPY_GetBufferStart(made), llvm.ffi.lib.LLVMPY_GetBufferSize(made))
    finally:
        llvm.ffi.lib.LLVMPY_DisposeMemoryBuffer(made)


@cache
def _generator() -> Any:
    """LLVM's code generator as a C function, without the one lock that its binding takes round every call: modules of contexts of their own
    are made into code beside one another. None where the binding is built otherwise.
    """
    try:
        function = ctypes.CDLL(llvm.ffi.lib._name).LLVMPY_TargetMachineEmitToMemory
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p))
    function.restype = llvm.ffi.LLVMMemoryBufferRef
    return function


@alone
def emit_portable(text: str) -> bytes:
    """The object file of a module of plain integer code, which keeps its variables in memory, for every CPU of this architecture."""
    target = Target(host().triple, "", "")
    module = _parse(text, target)
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, llvm.create_pass_builder(_machine(target), llvm.create_pipeline_tuning_options(1)))
    return bytes(_machine(target).emit_object(module))


@alone
def emit_module(text: str, target: Target) -> str:
    """The module as LLVM's code generator gets it: read, and with the target's layout. No pass runs before the code generator."""
    return str(_parse(text, target))


@alone
def emit_assembly(text: str, target: Target) -> str:
    return str(_machine(target).emit_assembly(_parse(text, target)))


@dataclass(frozen=True, eq=False)
class Loaded:
    """Functions in memory: name to address, valid as long as this object lives."""

    addresses: Mapping[str, int]


# Code that nobody needs any more is unloaded under the lock, with the next that is loaded: objects die at any time, in a fork too.
_libraries: dict[weakref.ref[Loaded], Any] = {}
_dead: list[weakref.ref[Loaded]] = []
_linked = 0


@cache
def _jit() -> Any:
    return llvm.create_lljit_compiler(_machine(host()), use_jit_link=not _WINDOWS)


@alone
def load(objects: Sequence[bytes], names: Sequence[str], imports: Mapping[str, int]) -> Loaded:
    """Links object files, which may call one another, into this process. They have a table of symbols of their own, so names need not
    differ from those of others.
    """
    global _linked
    while _dead:
        del _libraries[_dead.pop()]
    builder = llvm.JITLibraryBuilder().add_current_process()
    for image in objects:
        builder.add_object_img(image)
    for name, address in imports.items():
        builder.import_symbol(name, address)
    for name in names:
        builder.export_symbol(name)
    _linked += 1
    library = builder.link(_jit(), f"tensorc.{_linked}")
    made = Loaded({name: library[name] for name in names})
    _libraries[weakref.ref(made, _dead.append)] = library
    return made
