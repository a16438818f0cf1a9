#!/usr/bin/env python3
"""Says in OpenAPI 3.0.3 what openapi.json says in 3.1, for generators that read nothing newer.

Usage: derive_30.py [--one-success] openapi.json out.json. With --one-success an operation keeps one success response that has
a body, and problems are plain JSON: progenitor wants one type for success and one for failure, and knows no other JSON types.
Deliberately derived on demand and never committed: openapi.json is the document.
"""

import json
import sys

# Keywords 3.0 doesn't have and that say nothing a client needs.
DROPPED = {"propertyNames", "$schema", "$id", "$comment", "contentMediaType", "contentEncoding"}
JSON_TYPES = {"application/merge-patch+json", "application/problem+json"}


def schema(value, parameter=False):
    """A 3.1 schema in 3.0's words. Parameters cannot be null: leaving them out is the way to say so."""
    if value is True or value == {}:
        return {}
    out = {key: each for key, each in value.items() if key not in DROPPED}
    if "$ref" in out:
        # 3.0 ignores what stands beside a $ref, and some generators refuse it.
        beside = {key: out[key] for key in ("description",) if key in out}
        return {"$ref": out["$ref"]} if not beside else {"allOf": [{"$ref": out["$ref"]}], **beside}
    nullable = False
    for union in ("oneOf", "anyOf"):
        if union in out:
            kept = [each for each in out.pop(union) if each.get("type") != "null"]
            nullable = nullable or len(kept) < len(value[union])
            if len(kept) == 1:
                out["allOf"] = kept
            else:
                out[union] = kept
    if isinstance(out.get("type"), list):
        kinds = [kind for kind in out["type"] if kind != "null"]
        nullable = nullable or len(kinds) < len(out["type"])
        if len(kinds) == 1:
            out["type"] = kinds[0]
        else:
            # Several types are any: 3.0 has but one.
            del out["type"]
    elif out.get("type") == "null":
        del out["type"]
        nullable = True
    if out.get("additionalProperties") is False:
        # The server refuses what it does not know; a client must not: a newer server's answers have more.
        del out["additionalProperties"]
    if "const" in out:
        out["enum"] = [out.pop("const")]
    if "examples" in out:
        examples = out.pop("examples")
        if examples:
            out.setdefault("example", examples[0])
    for bound, flag in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(out.get(bound), (int, float)) and not isinstance(out[bound], bool):
            out[flag], out[bound] = out[bound], True
    if isinstance(out.get("enum"), list) and None in out["enum"]:
        out["enum"] = [each for each in out["enum"] if each is not None]
        nullable = True
    if nullable and not parameter:
        out["nullable"] = True
    if nullable and out.get("default", 0) is None:
        del out["default"]
    if parameter and out.get("default", 0) is None:
        del out["default"]
    for key in ("properties",):
        if key in out:
            out[key] = {name: schema(each) for name, each in out[key].items()}
    for key in ("items", "additionalProperties", "not"):
        if isinstance(out.get(key), dict):
            out[key] = schema(out[key])
    for key in ("allOf", "anyOf", "oneOf"):
        if key in out:
            out[key] = [schema(each) for each in out[key]]
    return out


def content(media_types, plain):
    """Media types with their schemas; with `plain` every kind of JSON is application/json."""
    out = {}
    for name, media in media_types.items():
        name = "application/json" if plain and name in JSON_TYPES else name
        media = dict(media)
        if "schema" in media:
            media["schema"] = schema(media["schema"])
        out[name] = media
    return out


def responses(given, one_success):
    out = {}
    for status, response in given.items():
        response = dict(response)
        response.setdefault("description", "")
        response["description"] = response["description"] or "No description."
        if "content" in response:
            response["content"] = content(response["content"], one_success)
        for header in response.get("headers", {}).values():
            if "schema" in header:
                header["schema"] = schema(header["schema"])
        out[status] = response
    if one_success:
        # A status its range says the same of: progenitor would match it after the range, and so never.
        for status in [status for status in out if status.isdigit()]:
            whole = out.get(f"{status[0]}XX")
            if whole and whole.get("content") == out[status].get("content"):
                del out[status]
        success = [status for status in out if status[0] in "123"]
        kept = next((status for status in success if "content" in out[status]), None)
        kinds = {json.dumps(out[status].get("content"), sort_keys=True) for status in success}
        if kept and len(kinds) > 1:
            same = out[kept]["content"]
            for status in success:
                if out[status].get("content") != same:
                    del out[status]
    return out


def derive(document, one_success=False):
    """The whole document."""
    document = json.loads(json.dumps(document))
    document["openapi"] = "3.0.3"
    document["info"].pop("summary", None)
    document["info"].get("license", {}).pop("identifier", None)
    document.pop("webhooks", None)
    document.pop("jsonSchemaDialect", None)
    for item in document["paths"].values():
        for method, operation in item.items():
            if method == "parameters":
                continue
            for parameter in operation.get("parameters", []):
                parameter["schema"] = schema(parameter.get("schema", {"type": "string"}), parameter=True)
            if "requestBody" in operation:
                body = operation["requestBody"]
                body["content"] = content(body["content"], one_success)
            operation["responses"] = responses(operation["responses"], one_success)
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = {name: schema(each) for name, each in schemas.items()}
    return document


def main():
    arguments = [a for a in sys.argv[1:] if a != "--one-success"]
    with open(arguments[0], encoding="utf-8") as file:
        document = json.load(file)
    derived = derive(document, "--one-success" in sys.argv)
    with open(arguments[1], "w", encoding="utf-8") as file:
        json.dump(derived, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
