"""What a self-check found: its comparisons, each with findings, and the machine that it ran on."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_SHOWN: Final = 5  # findings of one kind that a report keeps; the others are counted
Tell = Callable[["Part", float], None]  # how far a comparison is, and when it began


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference: what kind, in words, with all that is needed to see it again."""

    kind: str
    text: str


@dataclass(slots=True)
class Part:
    """One comparison: how much was asked in how long, what differed, or why it was not asked (to its end)."""

    name: str
    text: str
    count: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)  # how many findings of each kind there are
    skipped: str = ""

    @property
    def rate(self) -> float:
        """Comparisons in a second."""
        return self.count / self.seconds if self.seconds else 0.0

    def differ(self, kind: str, text: str) -> None:
        """Count a finding, and keep the first of its kind."""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] <= _SHOWN:
            self.findings.append(Finding(kind, text))


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared on which machine.

    Attributes
    ----------
    seed : with the same seed the same states are asked, as far as the time goes
    date : when, in UTC
    program : the versions of memtype and Python
    kernel, modules, processor : this host; `modules` are those of KVM
    backend, isas : the implementation that was compared, and the instruction sets that run here
    parts : the comparisons
    interrupted : whether it was stopped before its time; what stands in `parts` was compared until then
    """

    seed: int
    date: str
    program: str
    kernel: str
    modules: tuple[str, ...]
    processor: str
    backend: str
    isas: tuple[str, ...]
    parts: tuple[Part, ...]
    interrupted: bool = False

    @property
    def differs(self) -> bool:
        return any(part.kinds for part in self.parts)


# --- this machine -----------------------------------------------------------------------------------------------


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def program() -> str:
    """What runs: memtype and Python."""
    try:
        own = version("memtype")
    except PackageNotFoundError:
        own = "(not installed)"
    return f"memtype {own}, {platform.python_implementation()} {platform.python_version()}"


def kernel() -> str:
    """The running kernel as it names itself."""
    return " ".join((platform.system(), platform.release(), platform.machine()))


def kvm_modules() -> tuple[str, ...]:
    """The modules of KVM that are loaded or built in, in order: which implementation answers."""
    root = Path("/sys/module")
    return tuple(sorted(path.name for path in root.glob("kvm*"))) if root.is_dir() else ()


_TOLD: Final = {"cpu family": "family", "model": "model", "stepping": "stepping", "microcode": "microcode"}


def processor() -> str:
    """The first processor's name, family, model, stepping and microcode, as far as the kernel tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or "not told"
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    said = {name.strip(): value.strip() for name, _, value in lines}
    more = [f"{word} {said[name]}" for name, word in _TOLD.items() if name in said]
    return ", ".join([said.get("model name", "not told"), *more])
