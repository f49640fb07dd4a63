"""Runs Lighthouse on the pages of a booking: `python -m bench.lighthouse [RUNS]`.

Needs chromium and npm on the PATH; the first run installs Lighthouse into `var/`. It exits with
status 1 if a score for accessibility, best practices or search engines is below 95. Search engines
may not read pages about one visitor, so a dash stands in place of those pages' score. The
performance score depends on the machine, so only its median is printed.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from playwright.sync_api import Page, sync_playwright

from bench.demo_site import (
    CHROMIUM_ARGUMENTS,
    ROOT,
    confirm,
    find_chromium,
    hold_a_room,
    run_demo_site,
    stays_url,
    type_details,
)

LIGHTHOUSE = "lighthouse@12.8.2"
FOLDER = ROOT / "var" / "lighthouse"

JUDGED = ("accessibility", "best-practices", "seo")
LEAST_SCORE = 95


def main(runs: int = 5) -> int:
    chromium, program = find_chromium(), install()
    failed = False
    with run_demo_site() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        page = browser.new_context(base_url=site).new_page()
        rules = RobotFileParser(f"{site}/robots.txt")
        rules.read()
        print("page       accessibility  best practices   SEO  performance")  # noqa: T201
        for name, go_to in (
            ("home", lambda: page.goto(site)),
            ("hotel", lambda: page.goto(f"{site}/hotels/seaside")),
            ("results", lambda: page.goto(stays_url(site))),
            ("hold", lambda: hold_a_room(page, stays_url(site))),
            ("booking", lambda: book(page)),
        ):
            go_to()
            reports = [audit(program, chromium, page) for _ in range(runs)]
            failed |= tell(name, reports, rules)
        browser.close()
    return int(failed)


def book(page: Page) -> None:
    type_details(page)
    confirm(page)


def install() -> Path:
    """The path of Lighthouse's program in `var/`, installed if it is missing."""
    program = FOLDER / LIGHTHOUSE / "node_modules" / ".bin" / "lighthouse"
    if not program.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("Install npm first: sudo apt-get install npm")
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error"]
        prefix = ["--prefix", str(FOLDER / LIGHTHOUSE)]
        subprocess.run([npm, "install", *prefix, *options, LIGHTHOUSE], check=True)
    return program


def audit(program: Path, chromium: str, page: Page) -> dict[str, Any]:
    """Lighthouse's report on the open page, requested with its cookies."""
    cookies = "; ".join(
        f"{cookie['name']}={cookie['value']}"  # type: ignore[typeddict-item]
        for cookie in page.context.cookies()
    )
    with tempfile.TemporaryDirectory(prefix="bookingsite-bench-") as folder:
        headers, report = Path(folder) / "headers.json", Path(folder) / "report.json"
        headers.write_text(json.dumps({"Cookie": cookies} if cookies else {}))
        subprocess.run(
            [
                *(str(program), page.url, "--quiet", "--output", "json"),
                *("--output-path", str(report), "--extra-headers", str(headers)),
                f"--only-categories={','.join((*JUDGED, 'performance'))}",
                f"--chrome-flags=--headless {' '.join(CHROMIUM_ARGUMENTS)}",
            ],
            check=True,
            env={**os.environ, "CHROME_PATH": chromium},
        )
        return json.loads(report.read_text())


def tell(name: str, reports: list[dict[str, Any]], rules: RobotFileParser) -> bool:
    """Prints a line for the page and the audits that cost it points; returns whether it failed."""
    (seen_as,) = {urlsplit(report["finalDisplayedUrl"]).path for report in reports}
    scores = {
        category: [round(100 * report["categories"][category]["score"]) for report in reports]
        for category in (*JUDGED, "performance")
    }
    # That crawlers are sent away is our wish, and no fault.
    judged = JUDGED if rules.can_fetch("*", seen_as) else JUDGED[:2]
    worst = [min(scores[category]) for category in judged]
    seo = worst[2] if len(worst) > 2 else "–"
    median = statistics.median(scores["performance"])
    print(f"{name:10}{worst[0]:14}{worst[1]:16}{seo:>6}{median:13.0f}  {seen_as}")  # noqa: T201
    for category in judged:
        for part in reports[0]["categories"][category]["auditRefs"]:
            audit = reports[0]["audits"][part["id"]]
            if part["weight"] and audit["score"] is not None and audit["score"] < 1:
                print(f"  {category}: {audit['title']}")  # noqa: T201
    return min(worst) < LEAST_SCORE


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
