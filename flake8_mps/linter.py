"""From a file to findings: gate by words, find by shape, decide by facts. Read this page first.

    source ──gate──> candidates ──facts──> findings
            (words)   (ast-grep)  (ast + flow)

Nothing here imports torch, and a text without a word that matters makes this page import nothing more.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .config import INTERNAL_ERROR, NO_REASON, Config
from .finding import Finding, Fix, Safety, Severity, Span, World

if TYPE_CHECKING:
    from .facts import Facts
    from .rule import Rule
    from .shapes import Search, Where
    from .source import CudaOnly, Source

DEEPEST = 12_000  # frames: an expression nests as deeply as the parser lets it, and facts follow it all the way

# A file without any of these words, and that imports none of the packages that know devices by words of their own, is no
# file of ours, and costs no more than looking for them.
FAMILIES = ("torch", "cuda")
PACKAGES = (
    "accelerate", "clip", "demucs", "diffusers", "lightning", "lightning_fabric", "open_clip", "optimum", "peft", "safetensors",
    "sentence_transformers", "transformers", "trl", "ultralytics", "unsloth", "whisper",
)
_IMPORTS = re.compile(rf"^[ \t]*(?:from|import)[ \t]+(?:{'|'.join(PACKAGES)})\b", re.MULTILINE)


@dataclass
class Statistics:
    """What one run did and what it cost: files, and CPU seconds by stage."""

    files: int = 0
    gated: int = 0
    parsed: int = 0
    interpreted: int = 0  # functions
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("gate", "shapes", "facts", "rules"), 0.0))
    by_rule: dict[str, float] | None = None  # the seconds of each rule's own checks, for who wants them
    clock: Callable[[], float] = time.process_time

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = self.clock()
        try:
            yield
        finally:
            self.seconds[name] += self.clock() - start

    def timed(self, rule: Rule, findings: Iterator[Finding]) -> Iterable[Finding]:
        """The findings of a rule, and what they cost."""
        if self.by_rule is None:
            return findings
        start = self.clock()
        found = list(findings)
        self.by_rule[rule.code] = self.by_rule.get(rule.code, 0.0) + self.clock() - start
        return found


def lint(
    source: Source, config: Config, statistics: Statistics | None = None, *, fixes: bool = False
) -> list[Finding]:
    """The findings of one file at or above the level of ``config``, in the order of the file.

    Raises ConfigError for a wrong table ``[tool.flake8-mps]`` of the project that holds the file, and nothing else:
    what goes wrong inside is a finding of its own, and the other rules go on. ``fixes`` asks for those of the findings.
    """
    found = statistics or Statistics(clock=float)  # for nobody: a system call each time is not free
    found.files += 1
    with found.stage("gate"):
        config = config.for_file(source.path) if concerns(source.text) else config
        if not passes(source.text, config):
            found.gated += 1
            return []
    findings = _without_reason(source.cuda_only) if source.cuda_only else _interpreted(source, config, found, fixes)
    wanted = sorted(filter(config.wants, findings), key=lambda finding: finding.sort_key)
    return [_explained(finding, source) for finding in wanted] if config.explain else wanted


def concerns(text: str) -> bool:
    """True for a text that names torch, CUDA or a package that brings torch: of no other is the project asked."""
    return any(word in text for word in FAMILIES) or _IMPORTS.search(text) is not None


def passes(text: str, config: Config = Config()) -> bool:
    """The gate: False for a text in which no rule can find anything. Functions of the project may move by any name."""
    if not concerns(text):
        return False
    return config.resolve_imports or any(name.rpartition(".")[2] in text for name in config.moves) or search().passes(text)


def _explained(finding: Finding, source: Source) -> Finding:
    """The finding with the story of its value behind the message."""
    return replace(finding, message=f"{finding.message} ({source.story(finding.trail)})") if finding.trail else finding


def _without_reason(declared: CudaOnly) -> list[Finding]:
    """What is left to say of a file that wants CUDA and nothing else."""
    if declared.reason:
        return []
    message = "the whole file is left out, nobody knows why; say why: # mps: cuda-only <reason>"
    return [Finding(NO_REASON, message, declared.span, Severity.WARNING, World.AS_WRITTEN)]


def _interpreted(source: Source, config: Config, statistics: Statistics, fixes: bool) -> set[Finding]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEPEST))
    try:
        return set(_findings(source, config, statistics, fixes))
    finally:
        sys.setrecursionlimit(limit)


@functools.cache
def search(without: str = "") -> Search:
    """The one search for all that any rule wants to see; conflicts bring the shapes that can begin them.

    ``without`` leaves the rule of a code out, to see what it costs."""
    from .facts.events import FORWARD, MAKES, TRIGGERS
    from .facts.tables import SAME_AS
    from .rule import load_rules
    from .shapes import Search, Where

    where, follow = Where(), Where()
    for rule in (rule for rule in load_rules() if rule.code != without):
        where |= rule.where
        for kind in rule.where.conflicts:
            follow |= TRIGGERS[kind]
    return Search(where, follow, SAME_AS, in_classes=(FORWARD, MAKES))


def _findings(source: Source, config: Config, statistics: Statistics, fixes: bool) -> Iterator[Finding]:
    from .rule import load_rules

    try:
        with statistics.stage("shapes"):
            candidates, hits = _candidates(source)
        statistics.parsed += 1
        with statistics.stage("facts"):
            facts = _facts(source, hits, candidates, config)
        statistics.interpreted += facts.interpreted
    except Exception as error:
        yield _internal_error("the engine", error)
        return
    with statistics.stage("rules"):
        index = _by_rule(candidates, facts)
        for rule in load_rules():
            yield from statistics.timed(rule, _checked(rule, index, facts, fixes))


def _candidates(source: Source) -> tuple[list[ast.AST], Any]:
    hits = search().hits(source)
    return search().candidates(source, hits), hits


def _facts(source: Source, hits: Any, candidates: list[ast.AST], config: Config) -> Facts:
    from .facts import Facts

    return Facts(source, hits, candidates, config, search().watched)


def _by_rule(candidates: list[ast.AST], facts: Facts) -> dict[tuple[str, str], list[ast.AST]]:
    """The candidates by what they turn out to be: a call or an attribute of a canonical name, a method, a keyword of a
    call, an import of a package."""
    index: dict[tuple[str, str], list[ast.AST]] = {}
    for node in candidates:
        if not facts.reached(node):
            continue
        if isinstance(node, ast.Call):
            name = facts.name(node.func)
            if name is not None:
                index.setdefault(("calls", name), []).append(node)
            elif isinstance(node.func, ast.Attribute):
                index.setdefault(("methods", node.func.attr), []).append(node)
        elif isinstance(node, ast.Attribute):
            index.setdefault(("attributes", facts.name(node) or ""), []).append(node)
        elif isinstance(node, ast.keyword):
            index.setdefault(("keywords", node.arg or ""), []).append(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for package in dict.fromkeys(name.partition(".")[0] for name in names):
                index.setdefault(("imports", package), []).append(node)
    return index


def _checked(
    rule: Rule, index: dict[tuple[str, str], list[ast.AST]], facts: Facts, fixes: bool
) -> Iterator[Finding]:
    """What one rule finds; a rule that raises says so in one line, and loses no other rule's findings."""
    try:
        for place in _places(rule.where, index, facts):
            for finding in rule.check(place, facts):
                yield _weighed(_mended(rule, place, finding, facts) if fixes else finding, facts.of_several(place))
    except Exception as error:
        yield _internal_error(f"{rule.code} ({type(rule).__module__})", error)


def _mended(rule: Rule, place: Any, finding: Finding, facts: Facts) -> Finding:
    from .edits import NoFix

    try:
        return replace(finding, fix=rule.fix(place, finding, facts))
    except NoFix as reason:
        return replace(finding, fix=Fix((), Safety.DISPLAY, why=str(reason)))


def _weighed(finding: Finding, of_several: bool) -> Finding:
    """What only several processes come to fails where somebody starts them: no error, on a machine with one GPU."""
    return replace(finding, severity=Severity.WARNING) if of_several and finding.severity is Severity.ERROR else finding


def _places(where: Where, index: dict[tuple[str, str], list[ast.AST]], facts: Facts) -> Iterator[Any]:
    for place in where.places:
        yield from index.get(place, ())
    yield from facts.events(where.conflicts) if where.conflicts else ()


def _internal_error(part: str, error: Exception) -> Finding:
    text = " ".join(str(error).split())
    message = f"internal error in {part}: {type(error).__name__}: {text}; please report it"
    return Finding(INTERNAL_ERROR, message, Span(1, 0, 1, 0), Severity.ERROR, World.AS_WRITTEN)
