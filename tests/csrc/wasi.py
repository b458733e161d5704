"""Run a WASI program: ``python tests/csrc/wasi.py alone.wasm 200``. Ends with the program's exit code."""

from __future__ import annotations

import sys

import wasmtime


def run(program: str, *arguments: str) -> int:
    engine = wasmtime.Engine()
    linker, store, config = wasmtime.Linker(engine), wasmtime.Store(engine), wasmtime.WasiConfig()
    linker.define_wasi()
    config.argv = (program, *arguments)
    config.inherit_stdout()
    store.set_wasi(config)
    start = linker.instantiate(store, wasmtime.Module.from_file(engine, program)).exports(store)["_start"]
    assert isinstance(start, wasmtime.Func)
    try:
        start(store)
    except wasmtime.ExitTrap as end:
        return end.code
    return 0


if __name__ == "__main__":
    raise SystemExit(run(*sys.argv[1:]))
