"""The formats of ``check``: each says what the text says, and is what its reader expects."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from sarif_2_1_0 import SCHEMA

from flake8_mps import cli
from flake8_mps.finding import Finding, Severity, Span, World
from flake8_mps.reports import FORMATS, Located, Place, Report, format_named, github, sarif
from flake8_mps.source import Unreadable

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """What ``check`` prints of a script, a notebook and a broken file, in a format."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FIXTURES / "unet_notebook" / "cuda", "a b")
    shutil.copy(FIXTURES / "first_day.py", "é.py")
    Path("broken.py").write_text("import torch\ndef f(:\n")

    def run(name: str, *options: str) -> str:
        assert cli.main(["check", ".", "--format", name, *options]) == 2
        return capfd.readouterr().out

    return run


def located(severity: Severity = Severity.ERROR, **more) -> Located:
    finding = Finding("MPS102", "a: 100 %, b", Span(3, 4, 3, 8), severity, World.AS_WRITTEN)
    return Located("a,b.py", None, finding, ("    x.cuda()",), 3, "f", **more)


def test_every_format_tells_every_finding(report) -> None:
    lines = report("text").splitlines()
    codes = sorted(re.search(r": (MPS\d{3}) ", line)[1] for line in lines)
    assert len(codes) > 15
    found = {
        "json": [each["code"] for each in json.loads(report("json"))["findings"]],
        "sarif": [each["ruleId"] for each in json.loads(report("sarif"))["runs"][0]["results"]],
        "github": re.findall(r"^::(?:error|warning) .*title=(MPS\d{3})::", report("github"), re.MULTILINE),
        "gitlab": [each["check_name"] for each in json.loads(report("gitlab")) if each["check_name"] != "unreadable"],
        "html": re.findall(r'<article id="f\d+"[^>]* data-code="(MPS\d{3})"', report("html")),
    }
    assert {*found, "text"} == set(FORMATS)
    for name, codes_there in found.items():
        assert sorted(codes_there) == codes, name


def test_what_cannot_be_read_is_in_every_report(report) -> None:
    assert [each["path"] for each in json.loads(report("json"))["unreadable"]] == ["./broken.py"]
    [invocation] = json.loads(report("sarif"))["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"] and "broken.py:2:7" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert "::error file=./broken.py,line=2,title=could not be read::cannot be parsed" in report("github")
    assert [each["severity"] for each in json.loads(report("gitlab")) if each["check_name"] == "unreadable"] == ["blocker"]
    assert "broken.py:2:7" in report("html")


def test_the_report_goes_to_a_file(report, tmp_path: Path) -> None:
    assert report("sarif", "--output", "out.sarif") == ""
    assert json.loads((tmp_path / "out.sarif").read_text())["version"] == "2.1.0"


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_of_nothing(name: str) -> None:
    text = format_named(name).render(Report(files=3))
    assert not text if name in ("text", "github") else text


def test_sarif_keeps_the_definitions_written_from_its_schema(report) -> None:
    jsonschema.Draft4Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    step = (Place(None, 1, "made"), Place(2, 1, ""))
    texts = [report("sarif"), sarif.render(Report()), sarif.render(Report([located(trail=step, cause=step[0])]))]
    for text in texts:
        assert [error.message for error in validator.iter_errors(json.loads(text))] == []
    result = json.loads(texts[2])["runs"][0]["results"][0]
    assert len(result["codeFlows"][0]["threadFlows"][0]["locations"]) == 3 and result["relatedLocations"]


def test_sarif_has_a_page_for_each_rule_and_paths_as_uris(report) -> None:
    run = json.loads(report("sarif"))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    assert all("## Why it breaks" in rule["help"]["markdown"] for rule in rules)
    places = [each["locations"][0] for each in run["results"]]
    uris = {place["physicalLocation"]["artifactLocation"]["uri"] for place in places}
    assert uris == {"a%20b/unet.ipynb", "%C3%A9.py"}
    assert {place["logicalLocations"][0]["name"] for place in places if "logicalLocations" in place} >= {"cell 5"}


def test_fingerprints_are_unique_and_outlast_lines_above(report, tmp_path: Path) -> None:
    before = [each["fingerprint"] for each in json.loads(report("json"))["findings"]]
    assert len(set(before)) == len(before)
    script = tmp_path / "é.py"
    script.write_text("# one\n# two\n" + script.read_text())
    assert [each["fingerprint"] for each in json.loads(report("json"))["findings"]] == before


def test_what_github_takes_for_syntax_is_escaped() -> None:
    line = github.render(Report([located()], [Unreadable("a.py", 1, 0, "two\nlines")]))
    assert line.splitlines() == [
        "::error file=a%2Cb.py,line=3,endLine=3,col=5,endColumn=9,title=MPS102::a: 100 %25, b",
        "::error file=a.py,line=1,title=could not be read::two%0Alines",
    ]
    assert github.render(Report([located(Severity.WARNING)])).startswith("::warning ")


def test_the_page_stands_alone_and_runs_nothing_of_the_code(report) -> None:
    page = report("html")
    assert not re.search(r"(?:src|href)=\"(?!#)|url\(|@import|https?:", page)
    evil = located()._replace(path="<script>.py", context=('x = "</pre><script>alert(1)</script>"',))
    assert format_named("html").render(Report([evil])).count("<script>") == 1
    assert page.index("Let the program choose") < page.index("Stay within the dtypes") < page.index("<h2>Findings")
    assert "How the value came about" in page


@pytest.mark.parametrize("name", ["json", "sarif", "github", "gitlab"])
def test_flake8_has_the_same_formats(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.py").write_text("import torch\nx = torch.zeros(2).cuda()\n")
    (tmp_path / "b.py").write_text("def f(:\n")
    flake8 = [sys.executable, "-m", "flake8", "--isolated", "--select", "MPS,E9", "-j1", "--format", f"mps-{name}"]
    done = subprocess.run(flake8, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and not done.stderr
    assert "MPS102" in done.stdout and "E999" in done.stdout
    if name == "sarif":
        jsonschema.validate(json.loads(done.stdout), SCHEMA, jsonschema.Draft4Validator)
    elif name != "github":
        assert json.loads(done.stdout)
