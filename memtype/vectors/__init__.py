"""Conformance vectors: register files and entries, what is asked of each, and the right answer, for other projects.

`document` makes all of them; `languages` prints them as JSON, C, Rust or Go; `judge` reads another program's answers.
The answers come from the scalar reference and from the manuals' tables, never from the C core. Two runs give the
same bytes, on every machine.

Examples
--------
>>> from memtype import vectors
>>> [section.name for section in vectors.document()][:3]
['mtrr', 'views', 'msr_write']
"""

from memtype.vectors.document import document, section, sections
from memtype.vectors.judge import Judgement, judge
from memtype.vectors.languages import FORMATS, text
from memtype.vectors.section import ANSWERS, SCHEMA, Column, Section

__all__ = [
    "ANSWERS",
    "FORMATS",
    "SCHEMA",
    "Column",
    "Judgement",
    "Section",
    "document",
    "judge",
    "section",
    "sections",
    "text",
]
