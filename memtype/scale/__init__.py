"""Bulk work: files larger than memory, on one machine or over Dask. Extras ``arrow`` and ``dask``.

`classify` does a job over files; `types` and `histogram` take Dask's own collections. `memtype.arrow.types` takes one
column in memory.
"""

from __future__ import annotations

from memtype.scale.bulk import Result, classify
from memtype.scale.collections import histogram, types

__all__ = ["Result", "classify", "histogram", "types"]
