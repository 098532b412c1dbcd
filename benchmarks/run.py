"""The main job end to end: wall time, and the peak of all its processes' memory (sum of PSS).

The floor in the same run: making the people and their files, and starting and stopping the bodies
without playing anything, which is what no rehearsal can do without.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
SCENARIO = ROOT / "scenarios" / "first-study.toml"
RESULTS = Path(__file__).parent / "results" / "run.json"


def pss(process: psutil.Process) -> int:
    """Return the proportional set size of a process tree in bytes."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command; return wall seconds and peak MB of its tree."""
    started = time.monotonic()
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    watched = psutil.Process(child.pid)
    peak = 0
    while child.poll() is None:
        peak = max(peak, pss(watched))
        time.sleep(0.25)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return time.monotonic() - started, peak / 2**20


def main() -> None:
    """Measure, print a table, write the results."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        base = [sys.executable, "-m", "sekisho", "run", str(SCENARIO), "--out", str(out)]
        wall, peak = measured(base)
        report = json.loads((out / "report.json").read_text())
        verify, _ = measured([sys.executable, "-m", "sekisho", "verify", str(out)])
    seconds = report["seconds"]
    floor = seconds["people"] + seconds["bodies_up"]
    rows = [
        {
            "name": "first study, 2,000 people, start to report",
            "value": round(wall, 1),
            "unit": "s",
            "against": "people and bodies alone",
            "ratio": round(wall / floor, 1),
            "peak_mb": round(peak),
        },
        {
            "name": "bodies up",
            "value": seconds["bodies_up"],
            "unit": "s",
            "against": "people and bodies alone",
            "ratio": round(seconds["bodies_up"] / floor, 2),
            "peak_mb": round(peak),
        },
        {
            "name": "verify the folder",
            "value": round(verify, 1),
            "unit": "s",
            "against": "people and bodies alone",
            "ratio": round(verify / floor, 2),
            "peak_mb": round(peak),
        },
    ]
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print(f"{row['name']:48} {row['value']:>7} {row['unit']}  peak {row['peak_mb']} MB")


if __name__ == "__main__":
    main()
