"""Values as C++17 writes them: floats exactly, text byte by byte, names that are names."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.errors import SettingError

_WIDTH = 112
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _-.,:;+*/()[]{}<>=!&|~^#@$%")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(::[A-Za-z][A-Za-z0-9_]*)*", re.ASCII)
_RESERVED = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl
    concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete
    do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast
    requires return short signed sizeof static static_assert static_cast std struct switch template this thread_local
    throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq
"""


def check_namespace(name: Any) -> None:
    """Raise SettingError unless it is the name of a namespace, nested ones joined by ::."""
    allowed = "pass a name of C++ such as 'model' or 'shop::price'"
    if not isinstance(name, str) or not _NAME.fullmatch(name) or "__" in name:
        raise SettingError(f"namespace={name!r}: {allowed}")
    reserved = sorted(set(name.split("::")) & set(_RESERVED.split()))
    if reserved:
        raise SettingError(f"namespace={name!r}: {reserved[0]!r} is taken in C++; {allowed}")


def floating(value: float, suffix: str = "") -> str:
    """Return a finite number as a literal that has exactly its value."""
    if value in (0.0, 1.0):
        return f"{value + 0.0}{suffix}"
    mantissa, exponent = value.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{int(exponent)}{suffix}"


def text(value: str) -> str:
    """Return text as the two arguments of a std::string_view in braces: UTF-8, and how many bytes."""
    content = value.encode("utf-8", "surrogatepass")
    escaped = "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in content)
    return f'{{"{escaped}", {len(content)}}}'


def whole(value: int) -> str:
    """Return a whole number of 64 bits as a literal; the least one has none."""
    if value == -(2**63):
        return "-9223372036854775807LL - 1"
    return f"{value}ULL" if value >= 2**63 else f"{value}LL"


def array(kind: str, name: str, items: Iterable[str]) -> str:
    """Return the definition of a constant array of at least one item."""
    return f"inline constexpr {kind} {name}[] = {{\n{wrapped(items)}\n}};\n"


def wrapped(items: Iterable[str]) -> str:
    """Return items with commas between them, in lines that are not too long."""
    lines: list[list[str]] = [[]]
    length = 0
    for item in items:
        if lines[-1] and length + len(item) > _WIDTH:
            lines.append([])
            length = 0
        lines[-1].append(item)
        length += len(item) + 2
    return ",\n".join("    " + ", ".join(line) for line in lines)


def floats(name: str, values: NDArray[np.float32]) -> str:
    """Return the definition of an array of float."""
    return array("float", name, (floating(value, "F") for value in values.ravel().tolist()))


def doubles(name: str, values: NDArray[np.float64]) -> str:
    """Return the definition of an array of double."""
    return array("double", name, map(floating, values.ravel().tolist()))
