"""What loggers put in front of a kernel's line: the same registers come out whatever it is."""

from __future__ import annotations

import pytest

import memtype as mt

LINES = """\
Linux version 5.10.0-8-amd64 (b@h) (gcc) #1 SMP
BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable
MTRR default type: write-back
MTRR fixed ranges enabled:
  00000-9FFFF write-back
  A0000-BFFFF uncachable
  C0000-FFFFF write-protect
MTRR variable ranges enabled:
  0 base 000080000000 mask 3FFF80000000 uncachable
  1 disabled
TOM2: 0000000480000000 aka 18432M
x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT  """.splitlines()
PREFIXES = {
    "none": "",
    "a caller": "[    0.000012][    T0] ",
    "a level": "<6>[    0.000012] ",
    "dmesg -x": "kern  :debug : [    0.000012] ",
    "dmesg -T in German": "[So Nov 22 20:11:27 2026] ",
    "dmesg --time-format iso": "2026-11-22T20:11:27,000012+00:00 ",
    "journalctl -o short": "Nov 22 20:11:27 my-host.example kernel: ",
    "journalctl -o short-monotonic": "[    0.000012] myhost kernel: ",
    "journalctl -o short-unix": "1795378287.000012 myhost kernel: ",
    "journalctl -o short-full": "Sun 2026-11-22 20:11:27 UTC myhost kernel: ",
    "RFC 5424": "<6>1 2026-11-22T20:11:27.000012Z host kernel - - - [    0.000012] ",
    "busybox": "Jan  1 00:00:00 (none) user.info kernel: [    0.000012] ",
    "journalctl -o export": "MESSAGE=",
    "journalctl -o verbose": "    MESSAGE=",
    "a serial console's clock": "20:11:27.123 ",
    "a serial console's clock and the kernel's": "20:11:27 [    0.000012] ",
    "ts %.s": "1795378287.000012 ",
    "a mail's mail": ">> [    0.000012] ",
    "grep -n": "12:[    0.000012] ",
    "grep over files": "logs/dmesg.txt:[    0.000012] ",
    "grep -n over files": "dmesg-1.txt:12:[    0.000012] ",
    "cat -n": "    12\t[    0.000012] ",
    "docker compose": "vm-1  | [    0.000012] ",
    "kubectl logs --prefix": "[pod/vm-0/guest-console-log] [    0.000012] ",
    "a pod's name": "pod/vm-0 ",
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES.keys())
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_prefixes_change_nothing(prefix, end):
    machine = mt.parse(end.join(prefix + line for line in LINES))
    expected = mt.MtrrState(
        0xC06,
        (0x0606060606060606, 0x0606060606060606, 0, *[0x0505050505050505] * 8),
        ((0x80000000, 0x3FFF80000800), (0, 0)),
        46, "amd", 0x600000, 0x480000000,
    )  # fmt: skip
    assert machine.mtrrs == expected and machine.format == "linux-dmesg"
    assert machine.kernel == "5.10.0-8-amd64" and str(machine.pat) == "WB WC UC- UC WB WP UC- WT"
    assert [(r.base, r.last) for r in machine.e820] == [(0, 0x9FBFF), (0x100000, 0x7FFFFFFF)]
