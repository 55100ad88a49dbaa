"""How people are told that something waits for them: a line in a file, a webhook, or any of the services that Apprise knows."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from semantic.errors import GovernedMetricsError

_SECONDS = 10.0
_FILE = "file:"
_WEB = ("http://", "https://")


class NotNotified(GovernedMetricsError):
    """People could not be told. Nothing is lost: it is tried again."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What people are told: at which stage (`proposed`, `reminder`, `escalation`), of whom, to whom, and how to answer. No figure and no text of the agent:
    these are shown to those who ask the record.
    """

    stage: str
    agent: str
    proposal: str
    to: tuple[str, ...]
    actions: tuple[str, ...]
    until: str
    run_id: str | None
    about: str = ""

    @property
    def title(self) -> str:
        return f"{self.stage}: '{self.agent}' {'asks for help' if self.about else 'waits for an answer'}"

    @property
    def body(self) -> str:
        if self.about:
            return f"{self.about} What was proposed: `governed-agents approvals {self.proposal}`."
        what = f"It proposes: {', '.join(self.actions)}. " if self.actions else ""
        return (
            f"{what}Look at it with `governed-agents approvals {self.proposal}`, and answer until {self.until[:16].replace('T', ' ')} UTC "
            f"with `governed-agents approve {self.proposal}` or `reject`."
        )


class Notifier(Protocol):
    """Tells people. Raises `NotNotified` where it could not."""

    def notify(self, notice: Notice) -> None: ...


@dataclass(frozen=True)
class FileNotifier:
    """One line of JSON for each notice, at the end of a file."""

    path: Path

    def notify(self, notice: Notice) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(asdict(notice)) + "\n")
        except OSError as error:
            raise NotNotified(f"{self.path} cannot be written: {error.strerror}") from error


@dataclass(frozen=True)
class WebhookNotifier:
    """A POST of the notice as JSON, with its words as `text`, as chat services take them."""

    url: str

    def notify(self, notice: Notice) -> None:
        import httpx

        body = asdict(notice) | {"text": f"{notice.title}\n{notice.body}"}
        try:
            httpx.post(
                self.url, json=body, timeout=_SECONDS, follow_redirects=False
            ).raise_for_status()
        except httpx.HTTPStatusError as error:
            # The address may hold a key, so it is in no message.
            raise NotNotified(f"The webhook answered {error.response.status_code}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotNotified(f"The webhook did not answer: {type(error).__name__}") from None


@dataclass(frozen=True)
class AppriseNotifier:
    """Any service that Apprise has an address for: e-mail as `mailtos://...`, and about a hundred more."""

    url: str

    def notify(self, notice: Notice) -> None:
        try:
            import apprise
        except ImportError as error:
            raise NotNotified(
                "This address needs the package apprise", hint="pip install apprise"
            ) from error
        service = apprise.Apprise()
        if not service.add(self.url):
            raise NotNotified("Apprise knows no service of this address")
        if not service.notify(title=notice.title, body=notice.body):
            raise NotNotified("The service did not take the notice")


def notifiers_of(notify: Sequence[str], notify_env: Sequence[str]) -> dict[str, Notifier]:
    """By address those who are told: `notify` are addresses, `notify_env` environment variables that hold such; one that is unset holds none."""
    held = (os.environ.get(name, "") for name in notify_env)
    return {address: notifier(address) for address in (*notify, *held) if address}


def address_digest(address: str) -> str:
    """What stands on record for an address, which may hold a key."""
    return hashlib.sha256(address.encode()).hexdigest()[:8]


def notifier(address: str) -> Notifier:
    """The notifier of an address: `file:<path>`, `https://...`, or one of Apprise's."""
    if address.startswith(_FILE):
        return FileNotifier(Path(address.removeprefix(_FILE)).expanduser())
    return WebhookNotifier(address) if address.startswith(_WEB) else AppriseNotifier(address)
