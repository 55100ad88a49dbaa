"""The desk of the demonstration: what the watch may do outside, once a person has approved it."""

import json
import os
from pathlib import Path

DESK = "notices.jsonl"


def desk() -> Path:
    """The file that stands for the desk, beside the home of the Dagster instance."""
    return Path(os.environ["DAGSTER_HOME"]).parent / DESK


def notify_desk(subject: str, text: str, idempotency_key: str) -> str:
    """Tells the operations desk, so that it calls the crews in."""
    path = desk()
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if not any(notice["key"] == idempotency_key for notice in known):
        with path.open("a") as file:
            notice = {"key": idempotency_key, "subject": subject, "text": text}
            file.write(json.dumps(notice) + "\n")
    return f"on the desk: {subject}"
