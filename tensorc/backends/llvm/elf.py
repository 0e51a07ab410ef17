"""Links one x86-64 ELF object file of position-independent code into a shared library: what LLVM makes and llvmlite has no linker for.

System V ABI, AMD64 supplement, chapters 4 and 5. The library exports functions, imports functions by eager binding, and has no
thread-local memory and no initialisers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

PAGE = 0x1000
_HEADER, _PROGRAM, _SECTION, _SYMBOL, _RELA = (
    struct.Struct(f"<{f}") for f in ("16sHHIQQQIHHHHHH", "IIQQQQQQ", "IIQQQQIIQQ", "IBBHQQ", "QQq")
)
_STUB = 8  # bytes of `jmp *slot(%rip)`

# Sections.
_PROGBITS, _SYMTAB, _STRTAB, _RELAS, _HASH, _DYNAMIC, _NOBITS, _DYNSYM, _UNWIND = 1, 2, 3, 4, 5, 6, 8, 11, 0x70000001
_WRITE, _ALLOC, _EXECUTE, _TLS = 1, 2, 4, 0x400

# Relocations.
_R64, _PC32, _PLT32, _GLOB_DAT, _RELATIVE, _PC64 = 1, 2, 4, 6, 8, 24
_GOT = (9, 41, 42)  # GOTPCREL, GOTPCRELX, REX_GOTPCRELX

# The dynamic section.
_NEEDED, _AT_HASH, _AT_STRTAB, _AT_SYMTAB, _AT_RELA, _RELASZ, _RELAENT, _STRSZ, _SYMENT, _SONAME = 1, 4, 5, 6, 7, 8, 9, 10, 11, 14
_FLAGS, _BIND_NOW = 30, 8


@dataclass
class _Section:
    """A section of the object file. `address` is where it comes to lie."""

    name: str
    kind: int
    flags: int
    align: int
    size: int
    data: bytearray
    relocations: list[tuple[int, int, int, int]]  # (offset, symbol, type, addend)
    address: int = 0


@dataclass(frozen=True)
class _Symbol:
    name: str
    section: int  # 0 where another library defines it
    value: int
    size: int


@dataclass
class _Part:
    """A section of the library."""

    name: str
    kind: int
    flags: int
    address: int
    size: int
    data: bytes


@dataclass
class _Object:
    """An object file, read."""

    sections: list[_Section]
    symbols: list[_Symbol]


def shared_library(image: bytes, exports: Sequence[str], name: str, needed: Iterable[str]) -> bytes:
    """The shared library `name` of an object file: it exports these functions, and needs these libraries for what it calls.

    ValueError for an object file that has more than compiled kernels have.
    """
    return _Linker(_read(image), tuple(exports), name, tuple(needed)).library()


def imports(image: bytes) -> list[str]:
    """The names that an object file refers to and does not define."""
    read = _read(image)
    used = {symbol for section in read.sections for _, symbol, _, _ in section.relocations}
    return sorted({read.symbols[n].name for n in used if not read.symbols[n].section} - {""})


def _read(image: bytes) -> _Object:
    identity, kind, machine, *_ = _HEADER.unpack_from(image)
    if identity[:6] != b"\x7fELF\x02\x01" or kind != 1 or machine != 62:
        raise ValueError("not an object file of x86-64")
    at, count, names = struct.unpack_from("<Q", image, 40)[0], *struct.unpack_from("<HH", image, 60)
    heads = [_SECTION.unpack_from(image, at + n * _SECTION.size) for n in range(count)]
    named = [_text(image, heads[names][4] + head[0]) for head in heads]
    sections = [
        _Section(
            label,
            head[1],
            head[2],
            max(head[8], 1),
            head[5],
            bytearray(b"" if head[1] == _NOBITS else image[head[4] : head[4] + head[5]]),
            [],
        )
        for label, head in zip(named, heads, strict=True)
    ]
    symbols: list[_Symbol] = []
    for head in heads:
        if head[1] == _SYMTAB:
            strings = heads[head[6]][4]
            for n in range(head[5] // _SYMBOL.size):
                label, info, _, section, value, size = _SYMBOL.unpack_from(image, head[4] + n * _SYMBOL.size)
                if section >= 0xFF00 and info & 15 != 4:
                    raise ValueError(f"the symbol {_text(image, strings + label)} lies in no section")
                symbols.append(_Symbol(_text(image, strings + label), 0 if section >= 0xFF00 else section, value, size))
    for head in heads:
        if head[1] == _RELAS:
            for n in range(head[5] // _RELA.size):
                offset, info, addend = _RELA.unpack_from(image, head[4] + n * _RELA.size)
                sections[head[7]].relocations.append((offset, info >> 32, info & 0xFFFFFFFF, addend))
    kept = [s for s in sections if s.flags & _ALLOC]
    if any(s.flags & _TLS or s.kind not in (_PROGBITS, _NOBITS, _UNWIND) for s in kept):
        raise ValueError("an object file with thread-local memory or initialisers")
    for s in sections:
        if not s.flags & _ALLOC:
            s.relocations.clear()
    return _Object(sections, symbols)


def _text(image: bytes, at: int) -> str:
    return image[at : image.index(b"\0", at)].decode()


@dataclass
class _Linker:
    """The library takes three segments: what is read, what is run, what is written. A place in the file is an address."""

    image: _Object
    exports: tuple[str, ...]
    name: str
    needed: tuple[str, ...]
    parts: list[_Part] = field(default_factory=list)
    relocations: list[tuple[int, int, int]] = field(default_factory=list)  # of the library: (address, info, addend)

    def __post_init__(self) -> None:
        used = [(r[1], r[2]) for s in self.image.sections for r in s.relocations]
        symbols = self.image.symbols
        self.imported = sorted({symbols[n].name for n, _ in used if not symbols[n].section})
        if "" in self.imported:
            raise ValueError("a relocation without a symbol")
        called = {symbols[n].name for n, kind in used if kind in (_PC32, _PLT32, _PC64) and not symbols[n].section}
        self.stubs = {label: n * _STUB for n, label in enumerate(sorted(called))}
        slots = called | {symbols[n].name for n, kind in used if kind in _GOT}
        self.slots = {label: n * 8 for n, label in enumerate(sorted(slots))}
        self.defined = {s.name: s for s in symbols if s.section}
        missing = [e for e in self.exports if e not in self.defined]
        if missing:
            raise ValueError(f"{missing[0]} is not defined")
        self.strings = b"\0" + b"".join(s.encode() + b"\0" for s in (*self.imported, *self.exports, self.name, *self.needed))

    # Layout.

    def library(self) -> bytes:
        """The file."""
        absolute = sum(kind == _R64 for s in self.image.sections for _, _, kind, _ in s.relocations)
        count = len(self.imported) + len(self.exports) + 1
        read = [
            (".hash", _HASH, 4 * (2 + 2 * count), 8),
            (".dynsym", _DYNSYM, count * _SYMBOL.size, 8),
            (".dynstr", _STRTAB, len(self.strings), 1),
        ]
        read.append((".rela.dyn", _RELAS, (len(self.slots) + absolute) * _RELA.size, 8))
        at = _HEADER.size + 5 * _PROGRAM.size
        for label, kind, size, align in read:
            at = self._add(label, kind, _ALLOC, at, size, align)
        at = self._place(".rodata", lambda f: not f & (_WRITE | _EXECUTE), _ALLOC, at)
        ends = [at]
        at = _up(at, PAGE)
        at = self._place(".text", lambda f: bool(f & _EXECUTE), _ALLOC | _EXECUTE, at)
        at = self._add(".plt", _PROGBITS, _ALLOC | _EXECUTE, at, _STUB * len(self.stubs), 16)
        ends.append(at)
        at = self._add(".dynamic", _DYNAMIC, _ALLOC | _WRITE, _up(at, PAGE), 16 * (len(self.needed) + 11), 8)
        at = self._add(".got", _PROGBITS, _ALLOC | _WRITE, at, 8 * len(self.slots), 8)
        at = self._place(".data", lambda f: bool(f & _WRITE), _ALLOC | _WRITE, at)
        ends.append(at)
        self._place(".bss", lambda f: bool(f & _WRITE), _ALLOC | _WRITE, at, _NOBITS)
        self._fill()
        return self._written(ends)

    def _add(self, name: str, kind: int, flags: int, at: int, size: int, align: int) -> int:
        """A section at the next aligned place; gives where it ends."""
        at = _up(at, align)
        self.parts.append(_Part(name, kind, flags, at, size, bytes(size)))
        return at + size

    def _place(self, name: str, wanted: Callable[[int], bool], flags: int, at: int, kind: int = _PROGBITS) -> int:
        """The object file's sections with certain flags as one section."""
        found = [s for s in self.image.sections if s.flags & _ALLOC and wanted(s.flags) and (s.kind == _NOBITS) == (kind == _NOBITS)]
        start = at = _up(at, max((s.align for s in found), default=1))
        for s in found:
            s.address = at = _up(at, s.align)
            at += s.size
        self.parts.append(_Part(name, kind, flags, start, at - start, b""))
        return at

    def _part(self, name: str) -> _Part:
        return next(p for p in self.parts if p.name == name)

    # Content.

    def _fill(self) -> None:
        for s in self.image.sections:
            for offset, symbol, kind, addend in s.relocations:
                self._relocate(s, offset, self.image.symbols[symbol], kind, addend)
        for name in (".rodata", ".text", ".data"):
            part = self._part(name)
            inside = [s for s in self.image.sections if s.data and part.address <= s.address < part.address + part.size]
            data = bytearray(part.size)
            for s in inside:
                data[s.address - part.address : s.address - part.address + s.size] = s.data
            part.data = bytes(data)
        got, plt = self._part(".got").address, self._part(".plt").address
        stubs = (b"\xff\x25" + struct.pack("<i", got + self.slots[s] - (plt + at + 6)) + b"\x66\x90" for s, at in self.stubs.items())
        self._part(".plt").data = b"".join(stubs)
        table = bytearray(8 * len(self.slots))
        for label, at in self.slots.items():
            if label in self.defined:
                address = self._address(self.defined[label])
                struct.pack_into("<Q", table, at, address)
                self.relocations.append((got + at, _RELATIVE, address))
            else:
                self.relocations.append((got + at, self._number(label) << 32 | _GLOB_DAT, 0))
        self._part(".got").data = bytes(table)
        self._part(".rela.dyn").data = b"".join(_RELA.pack(*r) for r in self.relocations)
        self._symbols()
        self._part(".dynstr").data = self.strings
        self._dynamic()

    def _relocate(self, s: _Section, offset: int, symbol: _Symbol, kind: int, addend: int) -> None:
        place = s.address + offset
        if kind == _R64:
            if symbol.section:
                value = self._address(symbol) + addend
                self.relocations.append((place, _RELATIVE, value))
            else:
                value = 0
                self.relocations.append((place, self._number(symbol.name) << 32 | _R64, addend))
            struct.pack_into("<Q", s.data, offset, value)
            return
        if kind in _GOT:
            value = self._part(".got").address + self.slots[symbol.name]
        elif kind in (_PC32, _PLT32, _PC64):
            value = self._address(symbol) if symbol.section else self._part(".plt").address + self.stubs[symbol.name]
        else:
            raise ValueError(f"a relocation of type {kind}")
        struct.pack_into("<q" if kind == _PC64 else "<i", s.data, offset, value + addend - place)

    def _address(self, symbol: _Symbol) -> int:
        return self.image.sections[symbol.section].address + symbol.value

    def _number(self, imported: str) -> int:
        return 1 + self.imported.index(imported)

    def _string(self, text: str) -> int:
        return self.strings.index(b"\0" + text.encode() + b"\0") + 1

    def _symbols(self) -> None:
        """The table of what is imported and exported, and its hash table."""
        rows = [(0, 0, 0, 0, 0, 0), *((self._string(n), 0x12, 0, 0, 0, 0) for n in self.imported)]
        text = 1 + next(n for n, p in enumerate(self.parts) if p.name == ".text")
        for label in self.exports:
            symbol = self.defined[label]
            rows.append((self._string(label), 0x12, 0, text, self._address(symbol), symbol.size))
        names = ["", *self.imported, *self.exports]
        count = len(names)
        buckets, chains = [0] * count, [0] * count
        for number in range(1, count):
            place = _hash(names[number]) % count
            chains[number], buckets[place] = buckets[place], number
        self._part(".dynsym").data = b"".join(_SYMBOL.pack(*row) for row in rows)
        self._part(".hash").data = struct.pack(f"<{2 + 2 * count}I", count, count, *buckets, *chains)

    def _dynamic(self) -> None:
        address = {p.name: p.address for p in self.parts}
        entries = [(_NEEDED, self._string(n)) for n in self.needed]
        entries += [(_SONAME, self._string(self.name)), (_AT_HASH, address[".hash"]), (_AT_STRTAB, address[".dynstr"])]
        entries += [(_AT_SYMTAB, address[".dynsym"]), (_STRSZ, len(self.strings)), (_SYMENT, _SYMBOL.size)]
        entries += [(_AT_RELA, address[".rela.dyn"]), (_RELASZ, len(self._part(".rela.dyn").data)), (_RELAENT, _RELA.size)]
        self._part(".dynamic").data = b"".join(struct.pack("<QQ", *e) for e in (*entries, (_FLAGS, _BIND_NOW), (0, 0)))

    # The file.

    def _written(self, ends: Sequence[int]) -> bytes:
        """All parts, with the headers. `ends` are those of the segments in the file."""
        starts = [0, self._part(".text").address & -PAGE, self._part(".dynamic").address & -PAGE]
        bss = self._part(".bss")
        sizes = [ends[0], ends[1] - starts[1], bss.address + bss.size - starts[2]]
        dynamic = self._part(".dynamic")
        programs = [
            (1, flags, start, start, start, end - start, max(size, end - start), PAGE)
            for flags, start, end, size in zip((4, 5, 6), starts, ends, sizes, strict=True)
        ]
        programs.append((2, 6, dynamic.address, dynamic.address, dynamic.address, dynamic.size, dynamic.size, 8))
        programs.append((0x6474E551, 6, 0, 0, 0, 0, 0, 16))  # the stack is not run
        names = b"\0" + b"".join(p.name.encode() + b"\0" for p in self.parts) + b".shstrtab\0"
        image = bytearray(_up(ends[-1], 8))
        for p in self.parts:
            image[p.address : p.address + len(p.data)] = p.data
        strings = len(image)
        image += names + bytes(-len(names) % 8)
        table = len(image)
        numbers = {p.name: 1 + n for n, p in enumerate(self.parts)}
        links = {".hash": ".dynsym", ".dynsym": ".dynstr", ".rela.dyn": ".dynsym", ".dynamic": ".dynstr"}
        entry = {".hash": 4, ".dynsym": _SYMBOL.size, ".rela.dyn": _RELA.size, ".dynamic": 16, ".got": 8}
        image += bytes(_SECTION.size)
        for p in self.parts:
            label = names.index(b"\0" + p.name.encode() + b"\0") + 1
            link, info = numbers.get(links.get(p.name, ""), 0), int(p.name == ".dynsym")
            image += _SECTION.pack(label, p.kind, p.flags, p.address, p.address, p.size, link, info, 16, entry.get(p.name, 0))
        label = names.index(b"\0.shstrtab\0") + 1
        image += _SECTION.pack(label, _STRTAB, 0, 0, strings, len(names), 0, 0, 1, 0)
        identity = b"\x7fELF\x02\x01\x01" + bytes(9)
        count = len(self.parts) + 2
        head = _HEADER.pack(
            identity, 3, 62, 1, 0, _HEADER.size, table, 0, _HEADER.size, _PROGRAM.size, len(programs), _SECTION.size, count, count - 1
        )
        image[: len(head)] = head
        image[len(head) : len(head) + len(programs) * _PROGRAM.size] = b"".join(_PROGRAM.pack(*p) for p in programs)
        return bytes(image)


def _up(value: int, align: int) -> int:
    return -(-value // align) * align


def _hash(name: str) -> int:
    """The System V ABI's hash of a name."""
    h = 0
    for c in name.encode():
        h = (h << 4) + c
        g = h & 0xF0000000
        h = (h ^ g >> 24) & ~g
    return h & 0xFFFFFFFF
