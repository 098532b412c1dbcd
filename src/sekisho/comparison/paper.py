"""A page on paper: Chromium, where it is present, prints HTML as PDF."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from sekisho.common.errors import PeerError, UserError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 120


def chromium() -> str | None:
    """Return the path of a Chromium on this machine; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def print_pdf(html: Path, pdf: Path) -> None:
    """Print ``html``, a page that loads nothing and runs no script, as ``pdf``.

    Raises:
        UserError: there is no Chromium.
        PeerError: it printed nothing.
    """
    program = chromium()
    if program is None:
        raise UserError(
            "sheet.no-chromium",
            f"There is no Chromium here to print a PDF; the page is in {html}.",
            next_step="install chromium, or print the page from any browser (it is one A4)",
        )
    with tempfile.TemporaryDirectory(prefix="sekisho-print-") as profile:
        command = [
            program,
            "--headless",
            "--no-sandbox",  # refused to root otherwise; the page is ours and has no script
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
            f"--print-to-pdf={pdf.resolve()}",
            html.resolve().as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PeerError("sheet.not-printed", f"Chromium did not print: {error}") from error
    if done.returncode or not pdf.is_file():
        raise PeerError("sheet.not-printed", f"Chromium did not print {pdf}.")
