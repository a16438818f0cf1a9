"""What derive_30.py makes of each thing 3.0 says differently, and that nothing of 3.1 is left in the whole document."""

import json
import pathlib
import unittest

import derive_30

DOCUMENT = json.loads((pathlib.Path(__file__).parent / "openapi.json").read_text())


def walk(value, path=""):
    yield path, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from walk(child, f"{path}/{key}")


class Derive(unittest.TestCase):
    def check(self, given, expected, **how):
        self.assertEqual(derive_30.schema(given, **how), expected)

    def test_null_becomes_nullable(self):
        self.check({"type": ["string", "null"], "default": None}, {"type": "string", "nullable": True})
        self.check({"oneOf": [{"type": "null"}, {"$ref": "#/x"}]}, {"allOf": [{"$ref": "#/x"}], "nullable": True})
        self.check({"enum": ["a", None]}, {"enum": ["a"], "nullable": True})

    def test_a_parameter_is_never_nullable(self):
        self.check({"type": ["integer", "null"], "default": None}, {"type": "integer"}, parameter=True)

    def test_several_types_are_any(self):
        self.check({"type": ["string", "integer"], "description": "d"}, {"description": "d"})

    def test_const_examples_and_exclusive_bounds(self):
        self.check({"const": "a"}, {"enum": ["a"]})
        self.check({"type": "string", "examples": ["a", "b"]}, {"type": "string", "example": "a"})
        self.check({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True})

    def test_nothing_stands_beside_a_ref(self):
        self.check({"$ref": "#/x", "description": "d"}, {"allOf": [{"$ref": "#/x"}], "description": "d"})
        self.check({"$ref": "#/x", "default": 1}, {"$ref": "#/x"})

    def test_what_a_newer_server_adds_is_let_through(self):
        self.check({"type": "object", "additionalProperties": False}, {"type": "object"})
        self.check({"additionalProperties": {"type": "string"}}, {"additionalProperties": {"type": "string"}})

    def test_nesting_is_followed(self):
        given = {"properties": {"a": {"items": {"type": ["string", "null"]}}}, "propertyNames": {"type": "string"}}
        self.check(given, {"properties": {"a": {"items": {"type": "string", "nullable": True}}}})

    def test_every_response_has_a_description(self):
        derived = derive_30.responses({"200": {"description": ""}, "404": {}}, False)
        self.assertTrue(all(response["description"] for response in derived.values()))

    def test_one_success_keeps_the_response_with_a_body(self):
        json_body = {"application/json": {"schema": {"type": "object"}}}
        given = {
            "200": {"description": "d", "content": json_body},
            "201": {"description": "d", "content": json_body},
            "204": {"description": "d"},
            "409": {"description": "d", "content": {"application/problem+json": {"schema": {}}}},
            "4XX": {"description": "d", "content": {"application/problem+json": {"schema": {}}}},
        }
        derived = derive_30.responses(given, True)
        self.assertEqual(list(derived), ["200", "201", "4XX"])
        self.assertIn("application/json", derived["4XX"]["content"])

    def test_the_whole_document_has_nothing_of_3_1(self):
        for one_success in (False, True):
            derived = derive_30.derive(DOCUMENT, one_success)
            self.assertEqual(derived["openapi"], "3.0.3")
            for path, value in walk(derived):
                if not isinstance(value, dict) or "/example" in path:
                    continue
                self.assertNotIsInstance(value.get("type"), list, path)
                self.assertNotEqual(value.get("type"), "null", path)
                for word in ("const", "propertyNames"):
                    self.assertNotIn(word, {} if path.endswith("/properties") else value, path)
                self.assertFalse("$ref" in value and len(value) > 1, path)
        self.assertEqual(DOCUMENT["openapi"], "3.1.0", "the original is left alone")


if __name__ == "__main__":
    unittest.main()
