"""JUnit XML that every reader takes, whatever models and rules are called."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from dftspark.nights.checks import Outcome
from dftspark.report.junit import junit

PASSED = Outcome(
    rule="far", subject="metric l2_1gram", against="value", model="gpt", stratum="", value=1.0,
    threshold=2.0, outcome="pass", low=float("nan"), high=2.0, unit="rate", severity="fail",
    breached=False, nights=0, nights_needed=1, n_model=10, acknowledged_until="", detail="is 1",
)  # fmt: skip


def suite(*outcomes: Outcome) -> ET.Element:
    suites = ET.fromstring(junit(outcomes, "night", "2026-11-22"))
    assert set(suites.attrib) <= {"name", "time", "tests", "failures", "errors"}  # Jenkins' schema
    found = suites.find("testsuite")
    assert found is not None
    return found


def test_each_outcome_is_what_a_reader_shows() -> None:
    outcomes = [replace(PASSED, outcome=name)
                for name in ("pass", "warn", "fail", "acknowledged", "unknown")]  # fmt: skip
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
    assert out.text == said.replace("\x00", "\ufffd")
    assert suites.find("testsuite")[-1] is out, "after the cases, as the schema has it"  # type: ignore[index]
    assert suite(PASSED).find("system-out") is None


def test_text_that_xml_cannot_hold() -> None:
    wild = 'a<b>&"\x00\x1b[31m\ud800\ufffe'
    found = suite(replace(PASSED, model=wild, rule=wild, detail=wild, outcome="fail"))
    (case,) = found.findall("testcase")
    assert case.attrib["name"].startswith('a<b>&"\ufffd\ufffd[31m\ufffd\ufffd')
    assert "\x1b" not in junit([replace(PASSED, detail=wild)], wild, "").decode()
