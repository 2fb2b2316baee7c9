"""The types of web/src/net/interface.ts, made from the description of Bongsu's own interface that the server serves.

`python -m tests.web.interface` writes them anew; a test holds the file to what is served. An operation that the file
does not name yet is no fault: whoever wants it, writes the file anew.
"""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any, Final

from tests.server import Server, data_folder

FILE: Final = Path(__file__).parents[2] / "web/src/net/interface.ts"
PATH: Final = "/_bongsu/v1/openapi.json"
_SERVICES: Final = ("boards", "bookings")
_OPERATION: Final = re.compile(r"^  '([A-Z]+ [^']+)':", re.MULTILINE)
_HEAD: Final = (
    "// Made from the server's own description: python -m tests.web.interface writes it anew, and a test compares.\n"
)

Json = dict[str, Any]


def operations_of(text: str) -> set[str]:
    """Those that a file of types names."""
    return set(_OPERATION.findall(text))


def operations_served(description: Json) -> set[str]:
    """Those of the services that people see."""
    return {
        f"{method.upper()} {path}"
        for path, methods in description["paths"].items()
        for method in methods
        if path.split("/")[3] in _SERVICES
    }


def typescript(description: Json, wanted: set[str]) -> str:
    """Those of the wanted operations that are served, and every type that they name."""
    lines, named = [], set[str]()
    for operation in sorted(wanted & operations_served(description), key=lambda each: each.split(" ")[::-1]):
        method, path = operation.split(" ")
        members = _members(description["paths"][path][method.lower()], named)
        lines.append(f"  '{operation}': {{ {'; '.join(members)} }}" if members else f"  '{operation}': object")
    types = [_type(name, schema) for name, schema in sorted(_reachable(description, named).items())]
    return "\n".join([_HEAD, *types, "export interface Operations {", *lines, "}", ""])


def _members(operation: Json, named: set[str]) -> list[str]:
    members = []
    query = [each["name"] for each in operation["parameters"] if each["in"] == "query"]
    if query:
        members.append("query: " + " | ".join(f"'{name}'" for name in query))
    if body := operation.get("requestBody"):
        members.append(f"body: {_said(body['content']['application/json']['schema'], named)}")
    done = [each for each in operation["responses"].values() if each["description"] == "Done"]
    answers = [_said(each["content"]["application/json"]["schema"], named) for each in done if "content" in each]
    if answers:
        members.append(f"answer: {' | '.join(answers)}")
    return members


def _reachable(description: Json, named: set[str]) -> Json:
    schemas, found = description["components"]["schemas"], Json()
    while left := named - found.keys():
        for name in left:
            found[name] = schemas[name]
            _type(name, schemas[name], named)
    return found


def _type(name: str, schema: Json, named: set[str] | None = None) -> str:
    seen, name = set[str]() if named is None else named, _called(name)
    if schema.get("type") != "object" or "properties" not in schema:
        return f"export type {name} = {_said(schema, seen)}\n"
    needed = schema.get("required", [])
    lines = [
        f"  {field}{'' if field in needed else '?'}: {_said(each, seen)}"
        for field, each in schema["properties"].items()
    ]
    return "\n".join([f"export interface {name} {{", *lines, "}", ""])


def _called(name: str) -> str:
    """Of two types with one name, bongsu.boards.routes.Appointment: BoardsAppointment."""
    *module, last = name.split(".")
    return "".join([*(part.capitalize() for part in module[1:2]), last])


def _said(schema: Json, named: set[str]) -> str:
    """A schema as a type. named: gets the names that stand in it."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", maxsplit=1)[-1]
        named.add(name)
        return _called(name)
    if "enum" in schema:
        return " | ".join(f"'{each}'" if isinstance(each, str) else json.dumps(each) for each in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_said(each, named) for each in schema["anyOf"])
    match schema.get("type"):
        case "array":
            inner = _said(schema["items"], named) if schema.get("items") else "unknown"
            return f"({inner})[]" if "|" in inner else f"{inner}[]"
        case "object":
            more = schema.get("additionalProperties")
            return f"Record<string, {_said(more, named) if isinstance(more, dict) else 'unknown'}>"
        case "string" | "boolean" | "null" as plain:
            return str(plain)
        case "integer" | "number":
            return "number"
    return "unknown"


def _served(base_url: str) -> Json:
    with urllib.request.urlopen(base_url + PATH) as answer:
        found: Json = json.load(answer)
    return found


def main() -> None:
    with data_folder() as folder:
        server = Server.start(folder)
        try:
            description = _served(server.base_url)
        finally:
            server.stop()
    FILE.write_text(typescript(description, operations_served(description)))


if __name__ == "__main__":
    main()
