"""C identifiers for the names of a Program, distinct and readable."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Words that a C++17 compiler, its usual macros or the emitted code give another meaning.
RESERVED = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t class compl const
    constexpr const_cast continue decltype default delete do double dynamic_cast else enum explicit export extern false
    float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private
    protected public register reinterpret_cast return short signed sizeof static static_assert static_cast struct switch
    template this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t
    while xor xor_eq concept requires restrict
    real sncc std j n draw assert errno main linux unix major minor I stdin stdout stderr math_errhandling sched_priority
    """.split()
)
# Names of macros: M_PI, EOF, RAND_MAX and whatever else a system's headers have; EL and EK are none.
_MACRO = re.compile(r"[A-Z][A-Z0-9_]{2,}|M_\w+|[LP]_[a-z]+")
# Projects whose header would hide one of the system's (`time.h`), whose functions would be another's
# (`pthread_create`), or whose target CMake keeps for itself.
_TAKEN = frozenset(
    """
    complex ctype fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbit stdbool
    stdckdint stddef stdint stdio stdlib stdnoreturn string strings tgmath threads time uchar wchar wctype
    aio cpio dirent dlfcn fcntl fmtmsg fnmatch ftw glob grp iconv langinfo libgen link malloc memory monetary mqueue ndbm
    netdb nl_types poll pthread pty pwd regex regexp sched search semaphore sem shm spawn stropts syslog tar termios
    timer trace ulimit unistd utime utmp utmpx values wordexp mtx cnd thrd tss cuda nvcc nvrtc
    all check clean depend edit_cache example help install package rebuild_cache run_tests test
    """.split()
)


def project_name(network: str) -> str:
    """Name of a network's project, files and C functions: in lower case and ASCII, `snn` added where it is taken.

    Accents go (`Zürich` is `zurich`), other letters are spelt by their number in Unicode.
    """
    parts = unicodedata.normalize("NFKD", network.lower())
    ascii_only = "".join(c if c.isascii() else f"u{ord(c):x}" for c in parts if not unicodedata.combining(c))
    name = re.sub(r"__+", "_", re.sub(r"[^0-9a-z_]", "_", ascii_only)).strip("_") or "network"
    if name[0].isdigit():
        name = f"x{name}"
    return f"{name}_snn" if name in RESERVED or name in _TAKEN else name


def mangle(name: str) -> str:
    """The nearest C identifier: `I!` is `I_impulse`, `x~` is `x_adjoint`, other foreign characters are underscores."""
    text = name.replace("!", "_impulse").replace("~", "_adjoint")
    text = re.sub(r"[^0-9A-Za-z_]", "_", text)
    text = re.sub(r"__+", "_", text).strip("_") or "x"
    if text[0].isdigit():
        text = f"x{text}"
    return f"{text}_" if text in RESERVED or _MACRO.fullmatch(text) else text


class Namer:
    """Gives each name one identifier of its own within a scope."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._given: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """The identifier of a name, the same at every call."""
        if name not in self._given:
            self._given[name] = self.fresh(name)
        return self._given[name]

    def fresh(self, name: str) -> str:
        """An identifier that nothing else in the scope has, close to the name."""
        base = candidate = mangle(name)
        number = 2
        while candidate in self._taken:
            candidate = f"{base}_{number}"
            number += 1
        self._taken.add(candidate)
        return candidate
