"""A headless Chromium for tests, and axe-core for it. Both are looked for, and skipped loudly."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
AXE = "4.14.1"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
_AXE_AT = ROOT / "build" / "axe"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@contextmanager
def chromium(profile: Path, strategy: str = "normal") -> Iterator[Any]:
    """A driver with a fresh profile; `strategy` says what of a page it waits for. Skips where there
    is no browser or no selenium."""
    selenium = pytest.importorskip("selenium", reason="PAGE NOT TESTED: selenium is not installed")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip(
            "PAGE NOT TESTED: no chromium with chromedriver; on Debian: "
            "apt-get install chromium chromium-driver"
        )
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.binary_location = browser
    options.page_load_strategy = strategy
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = selenium.webdriver.Chrome(options=options, service=Service(driver))
    opened.set_page_load_timeout(60)
    try:
        yield opened
    finally:
        opened.quit()


def look(driver: Any, page: Path, scheme: str = "light", width: int = 1200) -> None:
    """Opens the page in a color scheme, `width` pixels wide."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get(page.as_uri())


def requests(driver: Any) -> list[str]:
    """Addresses that were asked for since the last look."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def axe() -> str:
    """The source of axe-core, by npm into build/. Skips where neither is there."""
    file = _AXE_AT / "node_modules" / "axe-core" / "axe.min.js"
    if not file.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("ACCESSIBILITY NOT TESTED: no npm to fetch axe-core")
        _AXE_AT.mkdir(parents=True, exist_ok=True)
        command = [
            npm,
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
            str(_AXE_AT),
            f"axe-core@{AXE}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode or not file.is_file():
            pytest.skip(
                f"ACCESSIBILITY NOT TESTED: npm cannot fetch axe-core@{AXE}: "
                f"{done.stderr.strip()[-200:]}"
            )
    source = file.read_bytes()
    assert hashlib.sha256(source).hexdigest() == AXE_SHA256, f"axe-core is not {AXE} as pinned"
    return source.decode()


def violations(driver: Any) -> list[dict[str, Any]]:
    """What axe finds in the page that is open: rule, how often, the first place and why."""
    driver.set_script_timeout(300)
    driver.execute_script(axe())
    result = driver.execute_async_script(
        "var done = arguments[0]; axe.run(document, {resultTypes: ['violations']})"
        ".then(r => done(r), e => done({error: String(e)}))"
    )
    assert "error" not in result, result
    return [
        {
            "rule": v["id"],
            "count": len(v["nodes"]),
            "first": v["nodes"][0]["html"][:200],
            "why": v["nodes"][0]["failureSummary"][:300],
        }
        for v in result["violations"]
    ]
