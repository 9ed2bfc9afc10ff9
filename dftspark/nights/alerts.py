"""Sends one message when checks fail or warn: to one URL as JSON, and to people through Apprise, as
far as the environment names any."""

from __future__ import annotations

import http.client
import json
import logging
import os
import queue
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from dftspark.store.run import Run

_SECONDS = 10
_PATIENCE = 30  # seconds for a service of Apprise, with what it tries again
_TRIES = 3
_MOST = 20  # checks in one message


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, so that a message for one host does not go to another."""

    def redirect_request(self, *_: Any) -> None:
        return None


def message(run: Run) -> dict[str, Any]:
    """Returns the message: `text` is for people, in chat systems that take it, the rest for
    programs."""
    checks = run.manifest["checks"]
    name, date = run.manifest["name"], run.manifest["date"]
    said = checks["said"][:_MOST]
    return {
        "text": "\n".join([f"dftspark {name} {date}: {checks['outcome']}", *said]),
        "name": name,
        "date": date,
        "run": run.id,
        "outcome": checks["outcome"],
        "counts": checks["counts"],
        "said": said,
    }


def tell(run: Run, variable: str, pause: float = 1.0) -> str:
    """Posts `message` if a check failed or warned and the environment variable has a URL.

    Returns what went wrong, in words without the URL, which is a secret; empty if nothing did.
    """
    url = os.environ.get(variable, "")
    if not url or run.manifest["checks"]["outcome"] == "pass":
        return ""
    host = _host(url)
    if not host:
        return f"not told: {variable} is not an http or https URL"
    body = json.dumps(message(run)).encode()
    problem = ""
    for turn in range(_TRIES):
        time.sleep(turn * pause)
        problem, again = _post(url, body, host)
        if not again:
            break
    return problem


def notify(run: Run, variable: str) -> str:
    """Sends the text of `message` to the Apprise addresses of the environment variable, which white
    space separates, if a check failed or warned.

    Returns what went wrong, in words without the addresses, which are secrets; empty if nothing
    did.
    """
    urls = os.environ.get(variable, "").split()
    if not urls or run.manifest["checks"]["outcome"] == "pass":
        return ""
    try:
        import apprise
    except ImportError:
        return f"not told: {variable} needs apprise: pip install 'dftspark[alerts]'"
    title, _, body = message(run)["text"].partition("\n")
    failed = run.manifest["checks"]["outcome"] == "fail"
    kind = apprise.NotifyType.FAILURE if failed else apprise.NotifyType.WARNING
    silent = logging.getLogger("apprise")
    silent.addFilter(_nothing)  # it writes addresses and hosts
    try:
        return "; ".join(
            problem
            for number, url in enumerate(urls, start=1)
            if (problem := _send(url, f"address {number} of {variable}", title, body, kind))
        )
    finally:
        silent.removeFilter(_nothing)


def _send(url: str, called: str, title: str, body: str, kind: Any) -> str:
    import apprise

    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        return f"not told: {called} is none that Apprise knows"
    one = apprise.Apprise()  # it also holds what a service raises
    one.add(service)
    answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
    message = {"body": body or title, "title": title, "notify_type": kind}
    threading.Thread(target=lambda: answer.put(bool(one.notify(**message))), daemon=True).start()
    try:
        sent = answer.get(timeout=_PATIENCE)
    except queue.Empty:
        return f"not told: {called}, {service.service_name}: no answer in {_PATIENCE} seconds"
    return "" if sent else f"not told: {called}, {service.service_name}, refused or did not answer"


def _nothing(_: logging.LogRecord) -> bool:
    return False


def _host(url: str) -> str:
    try:
        parsed = urllib.parse.urlsplit(url)
    except ValueError:
        return ""
    return (parsed.hostname or "") if parsed.scheme in ("http", "https") else ""


def _post(url: str, body: bytes, host: str) -> tuple[str, bool]:
    """Returns (what went wrong, whether another try may help)."""
    answer: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
    # A socket's timeout is for one read; an answer that trickles in would never end.
    threading.Thread(target=lambda: answer.put(_ask(url, body, host)), daemon=True).start()
    try:
        return answer.get(timeout=_SECONDS)
    except queue.Empty:
        return _late(host)


def _ask(url: str, body: bytes, host: str) -> tuple[str, bool]:
    headers = {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(url, body, headers, method="POST")
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=_SECONDS):
            return "", False
    except urllib.error.HTTPError as error:
        error.close()
        return f"not told: {host} answered {error.code}", error.code == 429 or error.code >= 500
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(getattr(error, "reason", error), TimeoutError):
            return _late(host)
        return f"not told: {host}: {type(error).__name__}", True


def _late(host: str) -> tuple[str, bool]:
    return f"not told: {host}: no answer in {_SECONDS} seconds", True
