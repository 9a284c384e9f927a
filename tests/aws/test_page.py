"""The page of the local endpoint: what it shows of jobs, endpoints and logs, and whom it answers."""

from __future__ import annotations

import http.client
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from tests.aws.endpoint import REGION, Clients, local_endpoint, training_request
from tests.serving.browser import CHROMIUM, Browser
from vision.aws.settings import AwsSettings
from vision.aws.workplace import Workplace

HOSTILE = "<img src=x onerror=alert(1)>\"'&"
GROUP = "/aws/sagemaker/TrainingJobs"
STREAM = "first/algo-1-1"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    root = tmp_path_factory.mktemp("aws")
    (root / "bucket/output/first/output").mkdir(parents=True)
    with tarfile.open(root / "bucket/output/first/output/output.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("report/report.html")
        content = b"<!doctype html><h1>The report</h1><script>alert(1)</script>"
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    workplace = Workplace.open(AwsSettings.parse({"root": str(root)}))
    request = training_request("first", {"train": "s3://bucket/train/"}, HyperParameters={"epochs": HOSTILE})
    state = {"request": request, "algorithm": "image_classification", "status": "Completed"}
    workplace.registry.add("training-job", "first", {**state, "failure": HOSTILE})
    workplace.registry.add("hyper-parameter-tuning-job", "tuned", {"request": {}, "status": "Completed"})
    workplace.registry.add("training-job", "of-tuned", {**state, "tuning": {"job": "tuned"}})
    # A kind that the page does not know, with a name that a client chose.
    workplace.registry.add("strange-thing", HOSTILE, {"status": HOSTILE})
    workplace.registry.add("strange-thing", "busy", {"status": "COPYING_IN_PROGRESS"})
    log, metrics = workplace.logs.writer(GROUP, STREAM), workplace.metrics.writer("first")
    for epoch, accuracy in enumerate((0.25, 0.5, 0.75)):
        for channel in ("train", "validation"):
            log.write(f"Epoch[{epoch}] {channel.capitalize()}-accuracy={accuracy}")
            metrics.write(f"{channel}:accuracy", accuracy)
    metrics.close()
    log.write(f"a line {HOSTILE} \x1b[31m\x00")
    log.close()
    with local_endpoint(root) as clients:
        yield clients


def get(endpoint: Clients, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(endpoint.address).netloc, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, {name.lower(): value for name, value in answer.getheaders()}


def resource(kind: str, name: str) -> str:
    return f"/resource?{urlencode({'kind': kind, 'name': name})}"


def test_the_overview_shows_every_kind_and_asks_nobody_else(endpoint: Clients) -> None:
    status, text, headers = get(endpoint, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    for words in ("Training jobs", "Strange things", "validation:accuracy 0.75", "s3://bucket", REGION):
        assert words in text
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not re.findall(r"""src=["'](?!data:)|href=["'](?![/#])|url\(|@import""", text)


@pytest.mark.parametrize("path", ["/", resource("training-job", "first"), resource("strange-thing", HOSTILE)])
def test_names_and_log_lines_are_text(endpoint: Clients, path: str) -> None:
    status, text, _ = get(endpoint, path)
    assert status == 200
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;" in text
    assert "\x1b" not in text
    assert "\x00" not in text


def test_a_job_shows_its_curves_its_log_and_what_was_asked_for(endpoint: Clients) -> None:
    _, text, _ = get(endpoint, resource("training-job", "first"))
    assert text.count("<polyline") == 2
    assert "train:accuracy 0.75" in text
    assert "Epoch[2] Validation-accuracy=0.75" in text
    assert "InputDataConfig[0].DataSource.S3DataSource.S3Uri" in text
    assert "s3://bucket/train/" in text


def test_a_tuning_job_shows_its_training_jobs(endpoint: Clients) -> None:
    _, text, _ = get(endpoint, resource("hyper-parameter-tuning-job", "tuned"))
    assert re.findall(r"kind=training-job&amp;name=([\w-]+)", text) == ["of-tuned"]


@pytest.mark.parametrize(
    ("path", "is_working"),
    [("/", True), (resource("strange-thing", "busy"), True), (resource("training-job", "first"), False)],
)
def test_a_page_shows_itself_again_while_something_is_at_work(endpoint: Clients, path: str, is_working: bool) -> None:
    assert ("refresh" in get(endpoint, path)[2]) == is_working


def test_a_log_is_sent_as_text(endpoint: Clients) -> None:
    status, text, headers = get(endpoint, f"/log?{urlencode({'group': GROUP, 'stream': STREAM})}")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert headers["x-content-type-options"] == "nosniff"
    assert text.count("\n") == 7
    assert text.endswith(f"a line {HOSTILE} \ufffd[31m\ufffd\n")


def test_a_report_may_do_nothing_here(endpoint: Clients) -> None:
    status, text, headers = get(endpoint, "/report?name=first")
    assert (status, "The report" in text) == (200, True)
    policy = headers["content-security-policy"]
    assert "sandbox allow-scripts;" in policy
    assert "script-src 'sha256-" in policy


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nothing", "GET", 404),
        (resource("training-job", "../../x"), "GET", 404),
        ("/log?group=..&stream=..", "GET", 404),
        (f"/log?group={'x' * 4000}&stream=%00", "GET", 404),
        ("/report?name=none", "GET", 404),
        ("/", "POST", 405),
        ("/ping", "GET", 200),
    ],
)
def test_other_requests(endpoint: Clients, path: str, method: str, status: int) -> None:
    assert get(endpoint, path, method)[0] == status


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Host": "evil.example:4566"}, {"Origin": "https://evil.example"}]
)
@pytest.mark.parametrize("path", ["/", f"/log?{urlencode({'group': GROUP, 'stream': STREAM})}", "/report?name=first"])
def test_pages_of_elsewhere_are_refused(endpoint: Clients, path: str, headers: dict[str, str]) -> None:
    status, text, _ = get(endpoint, path, **headers)
    assert status == 403
    assert "first" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_a_browser_goes_from_the_overview_to_the_curves_and_the_log(endpoint: Clients, tmp_path: Path) -> None:
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(f"{endpoint.address}/")
        browser.evaluate("[...document.links].find(link => link.textContent === 'first').click()")
        browser.wait("document.querySelectorAll('polyline').length === 2")
        assert browser.evaluate("document.querySelector('polyline').getBBox().width") > 100
        assert browser.evaluate("getComputedStyle(document.querySelector('polyline')).stroke") != "none"
        assert HOSTILE in browser.evaluate("document.querySelector('pre').textContent")
        assert not [text for text in browser.messages if "Content Security Policy" in text]
        browser.evaluate("[...document.links].find(link => link.href.includes('/report?')).click()")
        browser.wait("document.body && document.body.textContent.includes('The report')")
    finally:
        browser.close()
