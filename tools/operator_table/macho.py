"""Operator registrations read out of a macOS library, without running it.

`TORCH_LIBRARY_IMPL(aten, MPS, m)` becomes a static initialiser whose symbol is not stripped from PyTorch's wheels. Its
arm64 code loads the address of each name it registers with ADRP and ADD; those that point into `__cstring` are the
strings given to `m.impl("add.Tensor", ...)`.

Sources: Mach-O's <mach-o/loader.h> and <mach-o/nlist.h>; the Arm architecture's encodings of ADRP and ADD (immediate).
"""

from __future__ import annotations

import bisect
import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC_64, SEGMENT_64, SYMBOL_TABLE = 0xFEEDFACF, 0x19, 0x2
DEBUGGING_SYMBOL = 0xE0  # N_STAB: such an entry names no address of code


class NotReadable(Exception):
    """The file is no 64-bit Mach-O library, or has no symbols."""


@dataclass(frozen=True)
class Section:
    name: str
    address: int
    size: int
    offset: int

    def __contains__(self, address: int) -> bool:
        return self.address <= address < self.address + self.size

    def place(self, address: int) -> int:
        """Where in the file this address is."""
        return self.offset + address - self.address


class Library:
    """A Mach-O library for arm64, mapped into memory. Raises NotReadable."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, _, _, _, commands, *_ = struct.unpack_from("<8I", self.data, 0)
        if magic != MAGIC_64:
            raise NotReadable(f"{path}: no 64-bit Mach-O library")
        self.sections: list[Section] = []
        self.symbols: tuple[int, int, int, int] | None = None
        self._read_commands(commands)
        if self.symbols is None:
            raise NotReadable(f"{path}: no symbol table")
        self.text = next(section for section in self.sections if section.name == "__text")
        self.strings = [section for section in self.sections if section.name == "__cstring"]

    def _read_commands(self, commands: int) -> None:
        at = 32
        for _ in range(commands):
            kind, size = struct.unpack_from("<2I", self.data, at)
            if kind == SEGMENT_64:
                (count,) = struct.unpack_from("<I", self.data, at + 64)
                self.sections += [self._section(at + 72 + 80 * index) for index in range(count)]
            elif kind == SYMBOL_TABLE:
                self.symbols = struct.unpack_from("<4I", self.data, at + 8)
            at += size

    def _section(self, at: int) -> Section:
        (name,) = struct.unpack_from("<16s", self.data, at)
        address, size = struct.unpack_from("<2Q", self.data, at + 32)
        (offset,) = struct.unpack_from("<I", self.data, at + 48)
        return Section(name.rstrip(b"\0").decode(), address, size, offset)

    def functions(self, name: re.Pattern[bytes]) -> Iterator[tuple[re.Match[bytes], int, int]]:
        """The functions whose symbol holds this pattern: the match, the first address, and the one after the last."""
        symbol_offset, count, string_offset, string_size = self.symbols
        names = self.data[string_offset : string_offset + string_size]
        wanted = {names.rfind(b"\0", 0, match.start()) + 1: match for match in name.finditer(names)}
        addresses, found = set(), []
        table = memoryview(self.data)[symbol_offset : symbol_offset + 16 * count]
        for at, kind, _, _, address in struct.iter_unpack("<IBBHQ", table):
            if not kind & DEBUGGING_SYMBOL and address in self.text:
                addresses.add(address)
                if at in wanted:
                    found.append((wanted[at], address))
        starts = sorted(addresses)
        end_of_text = self.text.address + self.text.size
        for match, address in found:
            after = bisect.bisect_right(starts, address)
            yield match, address, starts[after] if after < len(starts) else end_of_text

    def holds(self, text: str) -> bool:
        """Whether one of the C strings begins with this text."""
        wanted = b"\0" + text.encode()
        ends = [(section.offset, section.offset + section.size) for section in self.strings]
        return any(self.data.find(wanted, start - 1, end) >= 0 for start, end in ends)

    def strings_used(self, start: int, end: int) -> list[str]:
        """The C strings whose address the code between these addresses makes with ADRP and ADD."""
        code = self.data[self.text.place(start) : self.text.place(end)]
        pages: dict[int, int] = {}
        used = []
        for index, (word,) in enumerate(struct.iter_unpack("<I", code)):
            if word & 0x9F000000 == 0x90000000:  # ADRP Xd, page: 21 signed bits of pages, relative to this one
                pages_on = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
                pages_on -= (pages_on & 1 << 20) << 1
                pages[word & 31] = ((start + 4 * index) & ~0xFFF) + (pages_on << 12)
            elif word & 0xFF800000 == 0x91000000 and (word >> 5 & 31) in pages:  # ADD Xd, Xn, #imm12
                address = pages[word >> 5 & 31] + ((word >> 10 & 0xFFF) << (12 if word >> 22 & 1 else 0))
                used += [self._string(section, address) for section in self.strings if address in section]
        return used

    def _string(self, section: Section, address: int) -> str:
        at = section.place(address)
        return self.data[at : self.data.find(b"\0", at)].decode(errors="replace")


def registrations(library: Library, namespace: str, key: str) -> set[str]:
    """The overloads that a library registers for a dispatch key, as in `registrations(library, "aten", "MPS")`."""
    initialiser = re.compile(rf"TORCH_LIBRARY_IMPL_init_{namespace}_{key}_\d+".encode())
    overloads = set()
    for _, start, end in library.functions(initialiser):
        overloads |= {name.removeprefix(f"{namespace}::") for name in library.strings_used(start, end)}
    return overloads
