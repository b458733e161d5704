"""`classify`: the types of the addresses in files, counted and written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memtype import arguments, rules
from memtype.arrow import check_beyond, pyarrow
from memtype.errors import AddressError, InputError
from memtype.pat import check_level
from memtype.scale.asked import UNKNOWN, Asked, Fleet
from memtype.scale.cluster import runner
from memtype.scale.files import FORMATS, KINDS, Pages, Unit, named, reading, units
from memtype.scale.job import Job, Progress, here
from memtype.scale.outputs import kind_for
from memtype.scale.question import NULL, PLACES, Question, Tally
from memtype.types import MemoryType


@dataclass(frozen=True)
class Result:
    """What a job counted.

    Attributes
    ----------
    rows : int
        All rows.
    counts : dict of MemoryType to int
        Rows of each type that occurs.
    null : int
        Rows that have no type: an address or an entry that is null.
    beyond : int
        Rows whose address is outside the address space, with ``beyond="null"``.
    groups : dict
        The same for each value of the column `by`.
    out : str, optional
        The file that was written.
    """

    rows: int
    counts: dict[MemoryType, int]
    null: int
    beyond: int
    groups: dict[Any, Result]
    out: str | None = None


def classify(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    state: Any = None,
    out: str | os.PathLike[str] | None = None,
    *,
    ranges: Iterable[tuple[int, int]] = (),
    column: str | None = None,
    pte: str | None = None,
    by: str | None = None,
    states: Mapping[str, Any] | None = None,
    pat: Any = None,
    level: int = 1,
    keep: Sequence[str] = (),
    names: bool = False,
    beyond: str = "raise",
    format: str | None = None,
    restart: bool = False,
    client: Any = None,
    progress: Progress | None = None,
) -> Result:
    """The memory type of each address in files, counted, and written where `out` says so. Memory stays bounded.

    Parameters
    ----------
    files : path or list of paths
        Parquet, Arrow IPC, CSV, .npy, raw little-endian uint64; folders of such; URLs that fsspec reaches.
    state : MtrrState, MemoryMap, View or Machine
        Who answers; with `states`, for rows whose group is not among them (default: NOT_TOLD).
    out : path, optional
        .parquet, .arrow, .csv; .npy or .raw for the types alone. It appears when it is whole. What is finished lies in
        ``OUT.parts`` until then, and a job that was killed goes on from there when it is asked again.
    ranges : list of (base, size)
        The 4 KiB pages of these ranges, instead of files.
    column, pte, by : str, optional
        Columns: addresses (default: "gpa", or the only one); page-table entries, for effective types; what groups the
        counts.
    states : mapping of group to state, optional
        Each row is asked of its own group's state.
    pat : Pat, value or name of a layout, optional
        For `pte`; default: the state's own, where it tells one.
    level : {1, 2, 3}
        Of the page-table entries.
    keep : list of str
        Columns to stand beside the type.
    names : bool
        The type as a dictionary of names instead of a number.
    beyond : {"raise", "null"}
        What becomes of an address outside [0, 2**maxphyaddr).
    format : str, optional
        The kind of the files, where neither their first bytes nor their names tell: "parquet", "arrow", "csv", "npy",
        "raw".
    restart : bool
        Begin anew where parts of a job lie beside the output.
    client : distributed.Client, optional
        The workers that do it, on files that they reach under the same names. Default: this process.
    progress : callable, optional
        Called with the rows done and the rows of all files (-1 where only reading tells).

    Returns
    -------
    Result

    Raises
    ------
    InputError
        For the first thing that is wrong, with file, row, value and limit; then nothing is written.
    MissingExtra
        Without pyarrow.

    Examples
    --------
    >>> from memtype import MtrrState
    >>> s = MtrrState(0x806, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40)
    >>> found = classify(state=s, ranges=[(0, 1 << 32)])
    >>> found.rows, {str(kind): count for kind, count in found.counts.items()}
    (1048576, {'UC': 524288, 'WB': 524288})
    """
    pyarrow()
    check_beyond(beyond)
    if format is not None and not (isinstance(format, str) and format in FORMATS):
        raise InputError(f"format = {arguments.shown(format)} is none of {', '.join(FORMATS)}")
    for what, name in (("column", column), ("pte", pte), ("by", by)):
        if name is not None:
            arguments.given(name, str, what)
    if progress is not None and not callable(progress):
        raise InputError(f"progress = {arguments.shown(progress)} cannot be called")
    if client is not None and not hasattr(client, "submit"):
        raise InputError(f"client = {arguments.shown(client)} is no client of Dask")
    cut = _units(files, ranges, format)
    question = Question(
        _asked(state, states, pat, by), _column(cut[0], column), pte, by, check_level(level), beyond
    )  # fmt: skip
    _refuse_pages(cut, question)
    target = None if out is None else _path(out, "out")
    kept = [arguments.given(name, str, "keep") for name in arguments.items(keep, "keep", "names of columns")]
    named_types = arguments.flag(names, "names")
    kind = None if target is None else kind_for(target, kept, named_types)
    if target is not None and any(_same_file(target, unit.path) for unit in cut):
        raise InputError(f"{target} is one of the inputs")
    job = Job(cut, question, target, kept, named_types)
    tally = job.run(kind, here if client is None else runner(client), progress, arguments.flag(restart, "restart"))
    return _result(tally, by, target)


def _units(files: Any, ranges: Any, format: str | None) -> list[Unit]:
    paths = [files] if isinstance(files, (str, os.PathLike)) else arguments.items(files, "files", "paths")
    made = units([_path(path) for path in paths], format)
    for one in arguments.items(ranges, "ranges", "(base, size)"):
        base, size = arguments.pair(one, "ranges", "(base, size)")
        if base < 0 or size <= 0 or base + size > 1 << rules.MAX_MAXPHYADDR:
            raise InputError(f"range ({base:#x}, {size:#x}) is empty, or not within {rules.MAX_MAXPHYADDR} bits")
        made += Pages.of(f"{base:#x}+{size:#x}", base, size)
    if not made:
        raise InputError("neither files nor ranges: nothing to classify")
    return made


def _refuse_pages(cut: list[Unit], question: Question) -> None:
    """A range that ends beyond is refused before its pages are gone through."""
    if question.beyond != "raise" or not isinstance(question.asked, Asked):
        return
    width = question.asked.maxphyaddr
    for unit in cut:
        if unit.kind == "pages" and unit.stop > 1 << width - rules.PAGE_SHIFT:
            beyond = max(unit.start << rules.PAGE_SHIFT, 1 << width)
            raise AddressError(f"{unit.path}: {arguments.address_beyond(beyond, width)}")


def _path(path: Any, what: str = "files") -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"{what}: {arguments.shown(path)} is no path")
    return str(os.fspath(path))


def _same_file(out: str, path: str) -> bool:
    return os.path.exists(out) and os.path.exists(path) and os.path.samefile(out, path)


def _asked(state: Any, states: Any, pat: Any, by: str | None) -> Asked | Fleet:
    if states is None:
        if state is None:
            raise InputError("no state: who is to answer?")
        return Asked.of(state, pat)
    if by is None:
        raise InputError("states: `by` names the column that tells whose row it is")
    if not isinstance(states, Mapping):
        raise InputError(f"states = {arguments.shown(states)} is no mapping of group to state")
    machines = {str(name): Asked.of(held, pat) for name, held in states.items()}
    return Fleet(machines, UNKNOWN if state is None else Asked.of(state, pat))


def _column(first: Unit, column: str | None) -> str:
    """The column of addresses: "gpa", or the only one, as the first file has it."""
    with reading(first.path):
        schema = KINDS[first.kind].schema(first.path)
        if column is not None or schema is None:
            name = column or "gpa"
            if schema is not None:
                named([name], schema.names)
            return name
        if "gpa" in schema.names:
            return "gpa"
        if len(schema.names) == 1:
            return str(schema.names[0])
        raise InputError(f"no column 'gpa'; which of {', '.join(map(repr, schema.names))} holds the addresses?")


def _result(tally: Tally, by: str | None, out: str | None) -> Result:
    groups = {} if by is None else {
        group: _counted(counts, {}, None) for group, counts in sorted(tally.groups.items(), key=_order)
    }  # fmt: skip
    return _counted(tally.total, groups, out)


def _order(item: tuple[Any, Any]) -> tuple[bool, bool, Any]:
    """Numbers before names, null last."""
    group = item[0]
    return group is None, isinstance(group, str), group if group is not None else 0


def _counted(counts: Any, groups: dict[Any, Result], out: str | None) -> Result:
    found = {kind: int(counts[kind]) for kind in MemoryType if counts[kind]}
    return Result(int(counts.sum()), found, int(counts[NULL]), int(counts[PLACES - 1]), groups, out)
