"""Findings of `memtype check` for programs: our JSON, SARIF 2.1.0 (code scanning), JUnit XML (test reports)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from memtype import rules
from memtype.analysis.check import Finding
from memtype.cli import addresses
from memtype.cli.output import short

FORMATS = ("text", "json", "sarif", "junit")
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_json(finding: Finding) -> dict[str, Any]:
    found: dict[str, Any] = {"id": finding.rule, "severity": finding.severity, "text": finding.text}
    for key in ("base", "size", "last"):
        value = getattr(finding, key)
        found |= {} if value is None else {key: addresses.hexadecimal(value)}
    return found | {"source": finding.source}


def as_sarif(findings: Iterable[Finding], source: str) -> str:
    """One run. A finding's place is the dump, and the physical addresses where it is about some."""
    listed = list(findings)
    used = sorted({finding.rule for finding in listed})
    driver = {"name": "memtype", "rules": [_sarif_rule(rules.RULES[rule]) for rule in used]}
    results = [_sarif_result(finding, source) for finding in listed]
    run = {"tool": {"driver": driver}, "results": results}
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _sarif_rule(rule: rules.Rule) -> dict[str, Any]:
    return {"id": rule.id, "shortDescription": {"text": rule.text}, "help": {"text": rule.source}}


def _sarif_result(finding: Finding, source: str) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(source)}}
    if finding.base is not None and finding.size is not None:
        place["address"] = {"absoluteAddress": finding.base, "length": finding.size}
    message = {"text": finding.text}
    return {
        "ruleId": finding.rule, "level": finding.severity, "message": message,
        "locations": [{"physicalLocation": place}],
    }  # fmt: skip


def as_junit(findings: Iterable[Finding], source: str) -> str:
    """A test case for each finding, failed but for notes; a passed one where there is nothing to say."""
    listed = list(findings)
    failed = [finding for finding in listed if finding.severity != "note"]
    counts = {"tests": str(len(listed) or 1), "failures": str(len(failed))}
    suite = ElementTree.Element("testsuite", {"name": f"memtype check {short(source)}", **counts})
    for number, finding in enumerate(listed, 1):
        where = "" if finding.base is None else f" 0x{finding.base:x}-0x{finding.last:x}"
        case = ElementTree.SubElement(suite, "testcase", {"classname": finding.rule, "name": f"{number}{where}"})
        kind = "system-out" if finding.severity == "note" else "failure"
        told = ElementTree.SubElement(case, kind, {} if kind == "system-out" else {"type": finding.severity})
        told.text = short(str(finding))
    if not listed:
        ElementTree.SubElement(suite, "testcase", {"classname": "memtype.check", "name": "nothing wrong found"})
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
