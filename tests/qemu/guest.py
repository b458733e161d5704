"""A Debian kernel in QEMU whose MTRRs are ours: an option ROM writes them, after SeaBIOS and before the kernel.

Nothing of Debian's is kept in the tree: the kernel is downloaded by apt into a folder, `busybox` and QEMU are installed
(``apt-get install qemu-system-x86 busybox-static cpio``). The emulator is TCG, so no /dev/kvm is needed.
"""

from __future__ import annotations

import gzip
import json
import lzma
import os
import re
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTH = 40  # of TCG's processor
READY = "\n@@ready"
MAPPED = (
    "ACPI: Early table checksum"  # the kernel prints it soon after its map; a boot to here takes a quarter of the time
)
ARGUMENTS = "console=ttyS0 nokaslr ignore_loglevel mtrr=debug disable_mtrr_trim panic=-1"

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
echo @@proc-mtrr
/bin/busybox cat /proc/mtrr
[ -f /msr.ko ] && /bin/busybox insmod /msr.ko
echo @@msrs
for index in {indexes}; do
    echo "$index $(/bin/busybox dd if=/dev/cpu/0/msr bs=8 count=1 skip=$index iflag=skip_bytes 2>/dev/null |
        /bin/busybox xxd -p)"
done
echo @@ready
/bin/busybox sleep 3600
"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel image, its release, and its msr module where that is none of the image's."""

    image: Path
    release: str
    msr: Path | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the guest and the emulator told.

    Attributes
    ----------
    log : all that the serial port printed
    whole : it came up to its shell; else there is neither /proc/mtrr nor MSRs
    proc_mtrr : the lines of /proc/mtrr
    msrs : {index: value} as the guest read them
    stream : the migration stream
    """

    log: str
    whole: bool
    proc_mtrr: str
    msrs: dict[int, int]
    stream: bytes


def fetched(package: str, folder: Path) -> Kernel:
    """The kernel of a Debian package, as ``linux-image-6.1.0-50-amd64``: downloaded and unpacked once."""
    place = folder / package
    if not place.is_dir():
        debs = folder / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-qq", "download", package], cwd=debs, check=True)
        for deb in debs.glob(f"{package}_*.deb"):
            subprocess.run(["dpkg-deb", "-x", deb, place], check=True)
    return unpacked(place)


def unpacked(place: Path) -> Kernel:
    """The kernel under a folder into which Debian's package was unpacked."""
    image = next(iter(sorted(place.rglob("vmlinuz*"))), None)
    if image is None:
        raise SystemExit(f"no kernel under {place}")
    release = re.search(r"\d+\.\d+", image.name) or re.search(r"\d+\.\d+", image.parent.name)
    assert release
    return Kernel(image, release[0], next(iter(sorted(place.rglob("msr.ko*"))), None))


def option_rom(writes: Iterable[tuple[int, int]]) -> bytes:
    """An option ROM that SeaBIOS calls: it writes each (MSR, value) and returns."""
    table = [struct.pack("<III", index, value & 0xFFFF_FFFF, value >> 32) for index, value in writes]
    save, restore = b"\x66\x60\x1e\x0e\x1f", b"\x1f\x66\x61\xcb"  # pushad, push ds, ds = cs; pop ds, popad, retf
    step = (
        b"\x66\x8b\x0c\x66\x8b\x44\x04\x66\x8b\x54\x08"  # mov ecx, [si]; mov eax, [si + 4]; mov edx, [si + 8]
        b"\x0f\x30\x83\xc6\x0c\x4d"  # wrmsr; add si, 12; dec bp
    )
    step += b"\x75" + struct.pack("b", -len(step) - 2)  # jnz: the next one
    begin = 3 + len(save) + 6  # behind the header, and `mov si` and `mov bp` of three bytes each
    data = begin + len(step) + len(restore)
    code = save + b"\xbe" + struct.pack("<H", data) + b"\xbd" + struct.pack("<H", len(table)) + step + restore
    blocks = (3 + len(code) + 12 * len(table)) // 512 + 1
    rom = (b"\x55\xaa" + bytes([blocks]) + code + b"".join(table)).ljust(512 * blocks - 1, b"\0")
    return rom + bytes([-sum(rom) & 0xFF])


def initramfs(kernel: Kernel, indexes: Iterable[int], folder: Path) -> Path:
    """A root of busybox, the msr module and `INIT`."""
    root = folder / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (root / "init").write_text(INIT.replace("{indexes}", " ".join(map(str, indexes))))
    for program in (root / "bin" / "busybox", root / "init"):
        program.chmod(0o755)
    if kernel.msr:
        module = kernel.msr.read_bytes()
        (root / "msr.ko").write_bytes(lzma.decompress(module) if kernel.msr.suffix == ".xz" else module)
    names = "\n".join(str(path.relative_to(root)) for path in [root, *sorted(root.rglob("*"))])
    packed = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names.encode(), check=True,
                            stdout=subprocess.PIPE).stdout  # fmt: skip
    target = folder / "initramfs.gz"
    target.write_bytes(gzip.compress(packed, 1))
    return target


def boot(
    kernel: Kernel, writes: list[tuple[int, int]], indexes: list[int], whole: bool = True, seconds: float = 3600.0
) -> Seen:
    """Start the kernel with these MSRs written, wait for its shell or its map, stop it and save its state.

    Raises
    ------
    RuntimeError
        Where it does not come up in time; the end of its log is in the text.
    """
    with tempfile.TemporaryDirectory(prefix="memtype-qemu-") as scratch:
        folder = Path(scratch)
        (folder / "msrs.rom").write_bytes(option_rom(writes))
        root = initramfs(kernel, indexes, folder)
        command = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-accel", "tcg",
            "-icount", "shift=1,sleep=off",  # time by instructions: a busy host changes nothing
            "-machine", "pc,memory-backend=ram", "-cpu", "max", "-m", "256M",
            "-object", f"memory-backend-file,id=ram,share=on,size=256M,mem-path={folder}/ram",
            "-kernel", str(kernel.image), "-initrd", str(root), "-append", ARGUMENTS,
            "-option-rom", f"{folder}/msrs.rom", "-serial", f"file:{folder}/log",
            "-qmp", f"unix:{folder}/qmp,server=on,wait=off",
        ]  # fmt: skip
        emulator = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            log = _until_ready(emulator, folder / "log", READY if whole else MAPPED, seconds)
            stream = _saved(folder)
        finally:
            emulator.kill()
            emulator.wait()
            if emulator.stderr:
                emulator.stderr.close()
    return Seen(log, whole, _section(log, "proc-mtrr"), dict(_msrs(_section(log, "msrs"))), stream)


def _until_ready(emulator: subprocess.Popen[str], path: Path, mark: str, seconds: float) -> str:
    end = time.monotonic() + seconds
    log = ""
    while time.monotonic() < end and emulator.poll() is None:
        log = path.read_text(errors="replace").replace("\r", "") if path.exists() else ""
        if mark in log:
            return log
        if "Kernel panic" in log:
            break
        time.sleep(0.2)
    said = emulator.stderr.read() if emulator.poll() is not None and emulator.stderr else ""
    raise RuntimeError(f"the kernel did not come up: {said}{log[-600:]}")


def _saved(folder: Path) -> bytes:
    """The migration stream without the RAM, which lies in a file."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(folder / "qmp"))
        with link.makefile("rw") as talk:

            def ask(command: str, **arguments: Any) -> Any:
                print(json.dumps({"execute": command, "arguments": arguments}), file=talk, flush=True)
                while True:
                    answer = json.loads(talk.readline())
                    if "error" in answer:
                        raise RuntimeError(str(answer["error"]))
                    if "return" in answer:
                        return answer["return"]

            talk.readline()
            ask("qmp_capabilities")
            ask("stop")
            ask("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
            ask("migrate", uri=f"exec:cat > {folder}/stream")
            while (status := ask("query-migrate").get("status")) not in ("completed", "failed"):
                time.sleep(0.05)
            if status == "failed":
                raise RuntimeError("the state could not be saved")
    return (folder / "stream").read_bytes()


def _section(log: str, name: str) -> str:
    """The lines behind @@name, without the kernel's own that come between."""
    text = log.partition(f"\n@@{name}\n")[2].partition("\n@@")[0]
    return "".join(f"{line}\n" for line in text.splitlines() if not re.match(r"\[ *\d+\.\d+\]", line))


def _msrs(text: str) -> Iterator[tuple[int, int]]:
    for line in text.splitlines():
        index, _, digits = line.partition(" ")
        if len(digits) == 16:
            yield int(index), int.from_bytes(bytes.fromhex(digits), "little")


def emulator_version() -> str:
    """As QEMU names itself, or an empty string where it is not installed."""
    try:
        return subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True).stdout.splitlines()[
            0
        ]
    except OSError:
        return ""


def tools_missing() -> list[str]:
    """What is needed and not installed."""
    have = {"qemu-system-x86": bool(emulator_version()), "busybox-static": os.path.exists("/bin/busybox"),
            "cpio": os.path.exists("/usr/bin/cpio")}  # fmt: skip
    return [name for name, there in have.items() if not there]
