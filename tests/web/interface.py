"""The types of web/src/net/interface.ts, made from the description of Bongsu's own interface that the server serves.

`python -m tests.web.interface` writes them anew; a test holds the file to what is served. An operation that the file
does not name yet is no fault: whoever wants it, writes the file anew.
"""

import json
import re
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.server import Server, data_folder

FILE: Final = Path(__file__).parents[2] / "web/src/net/interface.ts"
PATH: Final = "/_bongsu/v1/openapi.json"
_SERVICES: Final = ("boards", "bookings", "channels")
_BESIDE: Final = {"GET /.well-known/bongsu/channels"}
_OPERATION: Final = re.compile(r"^  '([A-Z]+ [^']+)':", re.MULTILINE)
_REF: Final = re.compile(r'"#/components/schemas/([^"]+)"')
_HEAD: Final = (
    "// Made from the server's own description: python -m tests.web.interface writes it anew, and a test compares.\n"
)

Json = dict[str, Any]
Names = dict[str, str]  # of types, by those of schemas


def operations_of(text: str) -> set[str]:
    """Those that a file of types names."""
    return set(_OPERATION.findall(text))


def operations_served(description: Json) -> set[str]:
    """Those that pages may ask for."""
    served = {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}
    return {each for each in served if each.split("/")[3] in _SERVICES} | (served & _BESIDE)


def typescript(description: Json, wanted: set[str]) -> str:
    """Those of the wanted operations that are served, and every type that they name."""
    operations = sorted(wanted & operations_served(description), key=lambda each: each.split(" ")[::-1])
    told = {each: _operation(description, each) for each in operations}
    schemas = _reachable(description, _named_in(told))
    names = _names(set(schemas))
    types = [_type(names[name], schemas[name], names) for name in sorted(schemas, key=names.__getitem__)]
    lines = [_line(operation, _members(told[operation], names)) for operation in operations]
    return "\n".join([_HEAD, *types, "export interface Operations {", *lines, "}", ""])


def _operation(description: Json, named: str) -> Json:
    method, path = named.split(" ")
    found: Json = description["paths"][path][method.lower()]
    return found


def _line(operation: str, members: list[str]) -> str:
    return f"  '{operation}': {{ {'; '.join(members)} }}" if members else f"  '{operation}': object"


def _members(operation: Json, names: Names) -> list[str]:
    members = []
    query = [each["name"] for each in operation["parameters"] if each["in"] == "query"]
    if query:
        members.append("query: " + " | ".join(f"'{name}'" for name in query))
    if body := operation.get("requestBody"):
        members.append(f"body: {_said(body['content']['application/json']['schema'], names)}")
    done = [each for each in operation["responses"].values() if each["description"] == "Done"]
    answers = [_said(each["content"]["application/json"]["schema"], names) for each in done if "content" in each]
    if answers:
        members.append(f"answer: {' | '.join(answers)}")
    return members


def _named_in(told: Any) -> set[str]:
    return set(_REF.findall(json.dumps(told)))


def _reachable(description: Json, named: set[str]) -> Json:
    schemas, found = description["components"]["schemas"], Json()
    named = named - {"Error"}
    while left := named - found.keys():
        found |= {name: schemas[name] for name in left}
        named = named | _named_in([schemas[name] for name in left])
    return found


def _names(schemas: set[str]) -> Names:
    """Their last part; of two that have the same one, bongsu.boards.routes.Appointment: BoardsAppointment.

    What other services call theirs changes none of these; two of one service have their file's name, too.
    """
    names = {name: _named(name, 0) for name in schemas}
    for parts in (1, 2):
        often = Counter(names.values())
        names = {name: each if often[each] == 1 else _named(name, parts) for name, each in names.items()}
    return names


def _named(schema: str, parts: int) -> str:
    *path, last = schema.split(".")
    return "".join(part.capitalize() for part in path[1 : 1 + parts]) + last


def _type(name: str, schema: Json, names: Names) -> str:
    if schema.get("type") != "object" or "properties" not in schema:
        return f"export type {name} = {_said(schema, names)}\n"
    needed = schema.get("required", [])
    lines = [
        f"  {field}{'' if field in needed else '?'}: {_said(each, names)}"
        for field, each in schema["properties"].items()
    ]
    return "\n".join([f"export interface {name} {{", *lines, "}", ""])


def _said(schema: Json, names: Names) -> str:
    """A schema as a type."""
    if "$ref" in schema:
        return names[schema["$ref"].rsplit("/", maxsplit=1)[-1]]
    if "enum" in schema:
        return " | ".join(f"'{each}'" if isinstance(each, str) else json.dumps(each) for each in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_said(each, names) for each in schema["anyOf"])
    match schema.get("type"):
        case "array":
            inner = _said(schema["items"], names) if schema.get("items") else "unknown"
            return f"({inner})[]" if "|" in inner else f"{inner}[]"
        case "object":
            more = schema.get("additionalProperties")
            return f"Record<string, {_said(more, names) if isinstance(more, dict) else 'unknown'}>"
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
