"""cloud-hypervisor: the state of a snapshot (``state.json``) as text or as parsed JSON."""

from __future__ import annotations

import json
from typing import Any

from memtype import formats
from memtype.errors import InputError
from memtype.machine import Machine


def machine(snapshot: Any) -> Machine:
    """The virtual processors of a snapshot.

    Parameters
    ----------
    snapshot : the text of ``state.json``, or the object that `json.load` makes of it

    Raises
    ------
    InputError
        When it is no JSON, or holds no MSR list.
    """
    try:
        text = snapshot if isinstance(snapshot, (str, bytes)) else json.dumps(snapshot)
    except (TypeError, ValueError) as error:
        raise InputError(f"no JSON object: {error}") from None
    return formats.parse(text, "<snapshot>")
