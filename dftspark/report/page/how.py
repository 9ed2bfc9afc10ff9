"""What a page says of how its numbers were made."""

from __future__ import annotations

import json
from typing import Any

from dftspark.report.words.lenses import measure
from dftspark.store.run import Run

ROWS = 60
_SETTINGS = 20_000  # characters of the configuration


def how(run: Run) -> dict[str, Any]:
    """Returns corpora, versions, seeds, fingerprints, settings and the meaning of each measure."""
    manifest = run.manifest
    corpora = run.table("corpora").to_pylist() if "corpora" in run.tables else []
    corpora.sort(key=lambda row: (row["role"] != "human", row["corpus"]))
    names = run.table("metrics", ["metric"])["metric"].unique().to_pylist()
    settings = json.dumps(manifest.get("config", {}), indent=1, ensure_ascii=True)
    prints = run.table("metrics", ["fingerprint"])["fingerprint"].unique().to_pylist()
    return {
        "corpora": corpora[:ROWS],
        "more_corpora": len(corpora[ROWS:]),
        "facts": {
            "Run": run.id,
            "Made": manifest.get("created_at", ""),
            "dftspark": manifest.get("code_version", ""),
            "With": ", ".join(f"{k} {v}" for k, v in manifest.get("versions", {}).items()),
            "Seeds": _seeds(manifest.get("config", {})),
            "Settings": f"SHA-256 {manifest.get('config_sha256', '')}",
            "Seconds": ", ".join(f"{k} {v:.0f}" for k, v in manifest.get("seconds", {}).items()),
        },
        "fingerprints": [str(text) for text in prints][:ROWS],
        "measures": [(name, measure(name)) for name in names[: 2 * ROWS]],
        "settings": settings[:_SETTINGS] + ("\n…" if len(settings) > _SETTINGS else ""),
    }


def _seeds(config: dict[str, Any]) -> str:
    found = {
        part: value["seed"]
        for part, value in config.items()
        if isinstance(value, dict) and "seed" in value
    }
    return ", ".join(f"{part} {seed}" for part, seed in found.items())
