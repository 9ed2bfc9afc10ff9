"""Outcomes of checks as JUnit XML, which CI systems and dashboards read."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from dftspark.checks.rules import Outcome
from dftspark.report.words.text import FORMULA, visible, visible_lines

_LONGEST = 1000  # characters of a name


def junit(outcomes: Sequence[Outcome], name: str, date: str, finding: str = "") -> bytes:
    """Writes one test case per rule and model. A breach with severity fail is a failure; one with
    severity warn is a passed case that says so; an unknown or acknowledged outcome is skipped.
    `finding`, the headline of the run, stands beside them all.

    Control and direction characters are escaped. A name that a spreadsheet would take for a formula
    begins with an apostrophe, which tells it that this is text.
    """
    failed = sum(o.outcome == "fail" for o in outcomes)
    skipped = sum(o.outcome in ("unknown", "acknowledged") for o in outcomes)
    counts = {"tests": str(len(outcomes)), "failures": str(failed), "errors": "0", "time": "0"}
    # Jenkins' schema has `skipped` for a suite and refuses it for all suites together.
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(
        suites,
        "testsuite",
        {"name": _name(f"{name} {date}".strip()), **counts, "skipped": str(skipped)},
    )
    for outcome in outcomes:
        model = "/".join(part for part in (outcome.model, outcome.stratum) if part)
        case = ET.SubElement(
            suite,
            "testcase",
            {
                "name": _name(f"{outcome.rule} [{model}]"),
                "classname": _name(outcome.subject),
                "time": "0",
            },
        )
        detail = visible_lines(outcome.detail)
        if outcome.outcome == "fail":
            ET.SubElement(case, "failure", {"message": detail, "type": "check"}).text = detail
        elif outcome.outcome in ("unknown", "acknowledged"):
            ET.SubElement(case, "skipped", {"message": detail})
        else:
            ET.SubElement(case, "system-out").text = f"{outcome.outcome}: {detail}"
    if finding:
        ET.SubElement(suite, "system-out").text = visible_lines(finding)
    return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True))


def _name(text: str) -> str:
    shown = visible(text, _LONGEST)
    return f"'{shown}" if FORMULA.match(shown) else shown
