"""The definitions of SARIF 2.1.0's JSON schema (OASIS, errata 01) that our reports use, kept here to validate offline.

Written by hand, from the part of the official text that could be read, and not compared with the official file: only what
we use, without descriptions, each constraint as we read it. ``additionalProperties`` is False throughout. A report that
passes here keeps these definitions; that it is valid against the official schema has not been checked.
"""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
INDEX: dict[str, Any] = {"type": "integer", "default": -1, "minimum": -1}
LEVEL: dict[str, Any] = {"enum": ["none", "note", "warning", "error"], "default": "warning", "type": "string"}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/definitions/{name}"}


def many(items: dict[str, Any], unique: bool = False, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "uniqueItems": unique, "minItems": least}


def one(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, **({"required": required} if required else {})}


POSITIVE: dict[str, Any] = {"type": "integer", "minimum": 1}

SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    **one(["version", "runs"], **{"$schema": {"type": "string", "format": "uri"}}, version={"enum": ["2.1.0"]}, runs=many(ref("run"))),
    "definitions": {
        "run": one(["tool"], tool=ref("tool"), invocations=many(ref("invocation")), results=many(ref("result")),
                   columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"], "type": "string"}),
        "tool": one(["driver"], driver=ref("toolComponent")),
        "toolComponent": one(["name"], name=TEXT, semanticVersion=TEXT, rules=many(ref("reportingDescriptor"), unique=True)),
        "reportingDescriptor": one(["id"], id=TEXT, name=TEXT, shortDescription=ref("multiformatMessageString"),
                                   help=ref("multiformatMessageString"), defaultConfiguration=ref("reportingConfiguration"),
                                   properties=ref("propertyBag")),
        "reportingConfiguration": one([], level=LEVEL),
        "multiformatMessageString": one(["text"], text=TEXT, markdown=TEXT),
        "message": {**one([], text=TEXT, markdown=TEXT, id=TEXT), "anyOf": [{"required": ["text"]}, {"required": ["id"]}]},
        "invocation": one(["executionSuccessful"], executionSuccessful={"type": "boolean"},
                          toolExecutionNotifications=many(ref("notification"))),
        "notification": one(["message"], message=ref("message"), level=LEVEL, locations=many(ref("location"), unique=True)),
        "result": one(["message"], ruleId=TEXT, ruleIndex=INDEX, level=LEVEL, message=ref("message"),
                      locations=many(ref("location")), relatedLocations=many(ref("location"), unique=True),
                      partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
                      codeFlows=many(ref("codeFlow")), properties=ref("propertyBag")),
        "location": one([], physicalLocation=ref("physicalLocation"), message=ref("message"),
                        logicalLocations=many(ref("logicalLocation"), unique=True)),
        "logicalLocation": one([], name=TEXT, kind=TEXT),
        "physicalLocation": {**one([], artifactLocation=ref("artifactLocation"), region=ref("region")),
                             "anyOf": [{"required": ["address"]}, {"required": ["artifactLocation"]}]},
        "artifactLocation": one([], uri={"type": "string", "format": "uri-reference"}),
        "region": one([], startLine=POSITIVE, startColumn=POSITIVE, endLine=POSITIVE, endColumn=POSITIVE, snippet=ref("artifactContent")),
        "artifactContent": one([], text=TEXT),
        "codeFlow": one(["threadFlows"], threadFlows=many(ref("threadFlow"), least=1)),
        "threadFlow": one(["locations"], locations=many(ref("threadFlowLocation"), least=1)),
        "threadFlowLocation": one([], location=ref("location")),
        "propertyBag": {"type": "object", "additionalProperties": True, "properties": {"tags": many(TEXT, unique=True)}},
    },
}
