"""JUnit XML that every reader takes, whatever models and rules are called."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from dftspark.checks.junit import junit
from dftspark.checks.rules import Outcome

PASSED = Outcome(
    rule="far",
    subject="metric l2_1gram",
    against="value",
    model="gpt",
    stratum="",
    value=1.0,
    threshold=2.0,
    outcome="pass",
    low=float("nan"),
    high=2.0,
    unit="rate",
    severity="fail",
    breached=False,
    nights=0,
    nights_needed=1,
    n_model=10,
    acknowledged_until="",
    detail="is 1",
)


def suite(*outcomes: Outcome) -> ET.Element:
    suites = ET.fromstring(junit(outcomes, "night", "2026-11-22"))
    assert set(suites.attrib) <= {"name", "time", "tests", "failures", "errors"}  # Jenkins' schema
    found = suites.find("testsuite")
    assert found is not None
    return found


def test_each_outcome_is_what_a_reader_shows() -> None:
    outcomes = [
        replace(PASSED, outcome=name)
        for name in ("pass", "warn", "fail", "acknowledged", "unknown")
    ]
    found = suite(*outcomes)
    assert found.attrib["name"] == "night 2026-11-22"
    counts = {name: found.attrib[name] for name in ("tests", "failures", "skipped", "errors")}
    assert counts == {"tests": "5", "failures": "1", "skipped": "2", "errors": "0"}
    kinds = [case[0].tag for case in found.findall("testcase")]
    assert kinds == ["system-out", "system-out", "failure", "skipped", "skipped"]
    assert found[1][0].text == "warn: is 1"


def test_the_finding_of_the_run_stands_beside_its_rules() -> None:
    said = "One answer can look fine; about 46 (29 to 62) give gpt away by structure\x00"
    suites = ET.fromstring(junit([PASSED], "night", "2026-11-22", said))
    (out,) = suites.findall("testsuite/system-out")
    assert out.text == said.replace("\x00", "\\x00")
    assert suites.find("testsuite")[-1] is out, "after the cases, as the schema has it"  # type: ignore[index]
    assert suite(PASSED).find("system-out") is None


def test_text_that_xml_cannot_hold_and_text_that_misleads() -> None:
    wild = 'a<b>&"\x00\x1b[31m\ud800\ufffe\u202e\u2066\r\n\x85\u200bz'
    found = suite(replace(PASSED, model=wild, rule=wild, subject=wild, detail=wild, outcome="fail"))
    (case,) = found.findall("testcase")
    told = "".join(found.itertext()) + "".join(v for e in found.iter() for v in e.attrib.values())
    assert {unicodedata.category(char) for char in told} <= {
        "Ll",
        "Lu",
        "Nd",
        "Po",
        "Ps",
        "Pe",
        "Pd",
        "Sm",
        "Zs",
        "Cc",
    }
    assert {char for char in told if unicodedata.category(char) == "Cc"} <= {"\n"}
    name = 'a<b>&"\\x00\\x1b[31m\\ud800\\ufffe\\u202e\\u2066\\r\\n\\x85\\u200bz'
    assert case.attrib["name"] == f"{name} [{name}]"
    assert case.attrib["classname"] == name
    assert "\n" not in case.attrib["name"]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@"])
def test_a_name_that_a_spreadsheet_would_compute_is_marked_as_text(sign: str) -> None:
    (case,) = suite(replace(PASSED, rule=f"{sign}cmd", subject=f"{sign}x")).findall("testcase")
    assert case.attrib["name"] == f"'{sign}cmd [gpt]"
    assert case.attrib["classname"] == f"'{sign}x"
