"""Numbers that lost digits on their way: shorter than a program prints them that fills its numbers up with zeros.

    0x00000200: 0x0000000080000000        16 digits, zeros in front: this program fills up
    0x00000201: 0x000000ff8000080         15: the mask is not 0xff8000080, one of its digits is lost

A fixed range with one zero in front proves nothing: people write 0x0606060606060606 in lists whose other numbers they
do not fill up.

A number filled up to a length that no other number of its list has, and no program prints, has lost digits too:

    wrmsr -a 0x2ff 0x0000000000000c      14 digits and alone: 0x0000000000000c06 lost its end
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from memtype import rules
from memtype.told import Register, pair_of

_LEAST = 8  # digits: no program that fills up prints fewer of a register
_USUAL = (8, 16)  # digits of "%08x" and "%016llx"
_FEW = 3  # numbers may be alike by chance
_MOST_LOST = 2  # digits, of a number without zeros in front


def lacking(held: Mapping[int, Register], filled: int = 0) -> set[int]:
    """The registers of one list whose numbers lack digits.

    Parameters
    ----------
    filled : int
        So many digits the program always prints; 0 where that is to be seen from the list.

    Examples
    --------
    >>> padded = {0x200: Register(0x80000000, digits=16), 0x2FF: Register(0xC06, digits=16)}
    >>> lacking(padded | {0x201: Register(0xFF8000080, digits=15)})
    {513}
    >>> lacking({0x200: Register(0x80000000, digits=16), 0x2FF: Register(0xC06, digits=3)})
    set()
    >>> lacking({0x2FF: Register(0xC, digits=14)})
    {767}
    """
    printed = {index: register for index, register in held.items() if register.digits}
    if _narrow(printed):
        return set(printed)
    if filled:
        return {index for index, register in printed.items() if register.digits < filled}
    length = _length(r for index, r in printed.items() if index not in rules.FIXED_MSRS or r.value < 1 << 56)
    told = {index: register for index, register in printed.items() if register.value and not register.against}
    ends = [_ends(index, register) for index, register in told.items() if _has_end(index)]
    whole = any(ends) and (length in _USUAL or all(ends))
    longest = {index for index, register in printed.items() if register.digits == length}
    if 0 < length < _USUAL[-1] and (not whole or (len(longest) == 1 and _odd(printed[min(longest)]))):
        return set(longest if whole else printed)
    if not length:
        return (
            _zeros(printed)
            | _fronts_of_default(printed)
            | _at_the_edge(printed)
            | {index for index, register in printed.items() if _is_front(index, register)}
        )
    short = {index for index, register in printed.items() if register.digits < length}
    as_is = {
        index for index in short if not _cut(index, printed[index], length)
    }  # people write a few numbers as they are
    if len(as_is) >= sum(register.padded for register in printed.values()):
        return set()  # one number that is filled up, from elsewhere
    return {index for index in short - as_is if printed[index].value or not as_is}


def unwritten(held: Mapping[int, Register]) -> set[int]:
    """The bases, masks and default types of one list that nothing writes, but for a digit too few or too many.

    Examples
    --------
    >>> sorted(unwritten({0x201: Register(0xFF800008000, digits=11), 0x203: Register(0x2, digits=1)}))
    [513, 515]
    >>> unwritten({0x200: Register(0x51E72500000005, digits=14)})  # beyond the widest address
    {512}
    >>> masks = {0x201: 0xFFFF8000000800, 0x203: 0xFFFFFFFFC0000800}  # some programs fill them up to bit 63
    >>> unwritten({index: Register(mask, digits=16) for index, mask in masks.items()})
    {513}
    >>> unwritten({0x2FF: Register(0xC005, digits=4)})  # of 0xc05
    {767}
    """
    default = held.get(rules.DEF_TYPE_MSR)
    reserved = default is not None and default.digits and default.value & ~rules.DEF_TYPE_WRITABLE
    return _no_pairs(held) | ({rules.DEF_TYPE_MSR} if reserved else set())


def _no_pairs(held: Mapping[int, Register]) -> set[int]:
    printed = {index: each.value for index, each in held.items() if each.digits and pair_of(index) is not None}
    off = {index: mask for index, mask in printed.items() if index & 1 and mask and not mask & rules.MASK_VALID}
    beyond = {
        index for index, value in printed.items() if value >> rules.MAX_MAXPHYADDR and not (index & 1 and value >> 63)
    }
    return beyond | {index for index, mask in off.items() if _was_valid(mask)}


def _was_valid(mask: int) -> bool:
    """Whether a mask without V is one with it, but for a digit: 0xffffffe008000 or 0xffffffe0080 for 0xffffffe00800.

    Two that are lost leave a reserved bit as well: 0xffffffe008. 0x2, which has no address bits, is the front of one.
    """
    if mask & rules.MASK_RESERVED:
        return True
    text = f"{mask:x}"
    fewer = {int(text[:n] + text[n + 1 :], 16) for n in range(1, len(text))}
    return not _contiguous(mask) and any(one & rules.MASK_VALID and _contiguous(one) for one in fewer)


def _contiguous(mask: int) -> bool:
    """Whether the mask's address bits are all those from one of them on, and no bit is reserved.

    >>> _contiguous(0xFF80000800), _contiguous(0xFF80008000), _contiguous(0)
    (True, False, False)
    """
    bits = mask & ~rules.MASK_VALID
    lowest = bits & -bits
    return lowest >= rules.PAGE_SIZE and not bits & (bits + lowest)


def _narrow(printed: Mapping[int, Register]) -> bool:
    """Whether a window left a few digits of every number, zeros in front: no program fills up to so few.

    0x00000200: 0x00
    0x00000250: 0x05         of 0x0505050505050505
    """
    lengths = {register.digits for register in printed.values()}
    padded = [register for register in printed.values() if register.padded]
    alike = len(lengths) == 1 or len(padded) == len(printed)
    return len(printed) > _FEW and lengths < set(range(2, _LEAST)) and alike and any(each.value for each in padded)


def _at_the_edge(printed: Mapping[int, Register]) -> set[int]:
    """Numbers as long as a window is wide, of a list that does not fill up.

    Fixed ranges have 15 digits or more where the first of their eight types is not UC; masks have 9 to 13. Several of
    both kinds, or all fixed ranges, that have the same number, and none more, end where the window did. One row whose
    words stand closer has room for a digit or two more.
    """
    *_, second, width = [0, 0, *sorted(register.digits for register in printed.values())]
    every = {index for index, register in printed.items() if index in rules.FIXED_MSRS and register.value}
    nothing = not any(register.value for register in printed.values())
    width = second if (every or nothing) and width - second <= _MOST_LOST else width
    longest = {index for index, register in printed.items() if register.digits >= width}
    fixed = longest.intersection(rules.FIXED_MSRS)
    both = any(pair_of(index) is not None for index in longest)
    return longest if width < _USUAL[-1] - 1 and len(fixed) > 1 and (both or fixed == every) else set()


def _length(registers: Iterable[Register]) -> int:
    """To how many digits the list fills its numbers up; 0 where it does not."""
    return max((r.digits for r in registers if r.padded and r.digits >= _LEAST), default=0)


def _fronts_of_default(printed: Mapping[int, Register]) -> set[int]:
    """IA32_MTRR_DEF_TYPE where it is what a cut leaves of 0x806 or 0xc06: no processor holds 8, c, 80 or c0."""
    register = printed.get(rules.DEF_TYPE_MSR)
    return {rules.DEF_TYPE_MSR} if register is not None and register.value in (0x8, 0xC, 0x80, 0xC0) else set()


def _zeros(printed: Mapping[int, Register]) -> set[int]:
    """Zeros beside fixed ranges of 16 digits alone: 0x0 may be what is left of 0x0000000000000c06.

    Another number as short as it is shows that the list does not fill up.
    """
    full = any(index in rules.FIXED_MSRS and register.padded for index, register in printed.items())
    short = {index for index, register in printed.items() if register.digits < _USUAL[-1]}
    return short if full and not any(printed[index].value for index in short) else set()


def _is_front(index: int, register: Register) -> bool:
    """Whether the number is the front of a filled up one: 0x0000 of 0x0000000000000c06; people write 0x0, 0x00."""
    ended = _has_end(index) and bool(register.value) and _ends(index, register)
    return register.padded and register.digits > 2 and not ended and (not register.value or _has_end(index))


def _has_end(index: int) -> bool:
    """Whether the register's low bits show that its number is whole: a default type's, a mask's."""
    return index == rules.DEF_TYPE_MSR or (pair_of(index) is not None and index & 1 == 1)


def _ends(index: int, register: Register) -> bool:
    """Whether the number's end is there: E of the default type or V of a mask, and no bit that nothing sets.

    A window as wide as 0x000ffffe00 leaves of every number its front alone.
    """
    if index == rules.DEF_TYPE_MSR:
        return register.value & ~rules.DEF_TYPE_TYPE in (rules.DEF_TYPE_E, rules.DEF_TYPE_E | rules.DEF_TYPE_FE)
    return register.value & (rules.MASK_VALID | rules.MASK_RESERVED) == rules.MASK_VALID


def _odd(register: Register) -> bool:
    """Whether a length that only this number has is not one that programs fill up to; a cut leaves zeros of any."""
    return register.digits not in _USUAL or (not register.value and register.digits < _USUAL[-1])


def _cut(index: int, register: Register, length: int) -> bool:
    """Whether the short number can be what is left of a long one: with zeros in front, nearly whole, or of 8 types."""
    nearly = register.digits >= length - _MOST_LOST or index in rules.FIXED_MSRS
    return register.padded or not register.value or nearly
