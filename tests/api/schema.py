"""Every answer against the Matrix specification: its OpenAPI files, where they are at hand.

The files are not part of this project. They are looked for where MATRIX_SPEC says, else in shared/matrix beside the
project or above it, where a second working copy may stand. An answer is checked
when the specification documents its status for the operation, and every refusal must have the standard form whether or
not its status is documented.
"""

import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

import msgspec
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.validators import extend  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = Path(__file__).parents[2]
VARIABLE = "MATRIX_SPEC"
_API = "api/client-server"
_ERROR = f"{_API}/definitions/errors/error.yaml"
_EVENTS = "event-schemas/schema"
_DISTINCT = {"peekEvents": "room_id", "inviteBy3PID": "medium"}  # what tells them from others with the same path
_MADE_HERE = ("m.receipt", "m.typing", "m.presence", "m.push_rules", "m.fully_read", "m.tag")  # not by clients

# The specification says oneOf for the two forms of a state event, of which each answer fits both.
_Validator = extend(Draft202012Validator, {"oneOf": Draft202012Validator.VALIDATORS["anyOf"]})


class Misfit(AssertionError):
    """An answer that is not what the specification says it is."""


class _Operation(NamedTuple):
    """One line of endpoints.tsv. template: the path's segments, those in braces being anything."""

    name: str
    method: str
    template: tuple[str, ...]
    file: str

    def fits(self, segments: tuple[str, ...]) -> bool:
        pairs = zip(self.template, segments, strict=True)
        return all(named.startswith("{") or named == given for named, given in pairs)

    def means(self, query: str) -> int:
        """How well it fits beside others with the same path."""
        named = _DISTINCT.get(self.name)
        return 1 if named is None else 2 * (named in query)

    @property
    def fixed(self) -> int:
        """How many segments are no names: where two templates fit, the one with more is meant."""
        return sum(not segment.startswith("{") for segment in self.template)


class Specification:
    """The OpenAPI files of one folder, each read when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._operations: dict[tuple[str, int], list[_Operation]] = {}
        self._registry: Registry[Any] = Registry()
        self._validators: dict[str, Any] = {}
        self._places: dict[tuple[_Operation, tuple[str, ...]], str | None] = {}
        for line in self.endpoints():
            found = _Operation(line["operationId"], line["method"], tuple(line["path"].split("/")), line["file"])
            self._operations.setdefault((found.method, len(found.template)), []).append(found)

    def endpoints(self) -> list[dict[str, str]]:
        """method, path, file and the like of every operation."""
        head, *lines = (self._folder / "endpoints.tsv").read_text("utf-8").splitlines()
        return [dict(zip(head.split("\t"), line.split("\t"), strict=False)) for line in lines]

    def name_of(self, method: str, path: str) -> str | None:
        """The operation that a request asks for, in its present or its old form; None for one of no operation."""
        operation = self._operation(method, re.sub(r"^/_matrix/(client|media)/r0/", r"/_matrix/\1/v3/", path))
        return None if operation is None else operation.name

    def statuses(self, name: str) -> list[int]:
        """Those that are documented for the operation."""
        operation = next(each for same in self._operations.values() for each in same if each.name == name)
        uri = self._uri(f"{_API}/{operation.file}")
        pointer = _pointer_of(_document(uri), operation)
        return [] if pointer is None else [int(status) for status in _follow(uri, f"{pointer}/responses")[2]]

    def check(self, method: str, path: str, status: int, answer: Any, asked: Any = None) -> bool:
        """Raises Misfit for an answer of the wrong form. False where the specification says nothing about it.

        asked: the request's body, which must have the documented form where the answer is 200.
        """
        if status == 200 and asked is not None and (_stated(asked) or not asked):
            wanted = self._schema(method, path, "requestBody", "content", "application/json", "schema")
            if wanted is not None:
                self._hold(wanted, _stated(asked), f"{method} {path} was asked")
        reference = self.schema_of(method, path, status)
        if reference is None and status >= 400 and not _asks_for_proof(status, answer):
            reference = self._uri(_ERROR)
        if reference is None:
            return False
        self._hold(reference, answer, f"{method} {path} answered {status}")
        if urlsplit(path).path.endswith("/sync") and status == 200:
            for event in _made_here(answer):
                self._hold(self._uri(f"{_EVENTS}/{event['type']}.yaml"), event, f"{method} {path} told {event}")
        return True

    def _hold(self, reference: str, said: Any, what: str) -> None:
        faults = sorted(self._validator(reference).iter_errors(said), key=lambda fault: len(fault.absolute_path))
        if faults:
            told = "; ".join(f"{fault.json_path}: {fault.message[:300]}" for fault in faults[:5])
            raise Misfit(f"{what} against the specification: {told}")

    def _uri(self, file: str) -> str:
        return (self._folder / file).as_uri()

    def _validator(self, reference: str) -> Any:
        validator = self._validators.get(reference)
        if validator is None:
            self._registry = self._registry.with_resources(_reachable(reference).items())
            validator = self._validators[reference] = _Validator({"$ref": reference}, registry=self._registry)
        return validator

    def schema_of(self, method: str, path: str, status: int) -> str | None:
        """Where the schema of this answer stands; None where none does."""
        return self._schema(method, path, "responses", str(status), "content", "application/json", "schema")

    def _schema(self, method: str, path: str, *steps: str) -> str | None:
        operation = self._operation(method, path)
        if operation is None:
            return None
        place = (operation, steps)
        if place not in self._places:
            self._places[place] = self._find(operation, *steps)
        return self._places[place]

    def _find(self, operation: _Operation, *steps: str) -> str | None:
        uri = self._uri(f"{_API}/{operation.file}")
        pointer = _pointer_of(_document(uri), operation)
        if pointer is None:
            return None
        for step in steps:
            uri, pointer, node = _follow(uri, pointer)
            if step not in node:
                return None
            pointer = f"{pointer}/{_escaped(step)}"
        return f"{uri}#{pointer}"

    def _operation(self, method: str, path: str) -> _Operation | None:
        address, _, query = path.partition("?")
        for spelt in (address, address + "/"):  # the slash before an empty state key is optional
            segments = tuple(spelt.split("/"))
            fitting = [each for each in self._operations.get((method, len(segments)), ()) if each.fits(segments)]
            if fitting:
                return max(fitting, key=lambda each: (each.fixed, each.means(query)))
        return None


def _stated(asked: Any) -> Any:
    """Clients say null where they mean nothing; but a pusher whose kind is null is to be deleted."""
    if not isinstance(asked, dict):
        return asked
    return {key: value for key, value in asked.items() if value is not None or key == "kind"}


def _asks_for_proof(status: int, answer: Any) -> bool:
    """The question of interactive authentication is no error and has no code."""
    return status == 401 and isinstance(answer, dict) and "flows" in answer


def _made_here(synced: Any) -> Iterator[Any]:
    """The events of a sync whose content this server writes."""
    rooms = [room for section in synced.get("rooms", {}).values() for room in section.values()]
    for holder in (synced, *rooms):
        for section in ("ephemeral", "account_data", "presence"):
            yield from (event for event in holder.get(section, {}).get("events", ()) if event["type"] in _MADE_HERE)


@cache
def _document(uri: str) -> Any:
    return msgspec.yaml.decode(Path(urlsplit(uri).path).read_bytes())


def _resource(uri: str) -> Resource[Any]:
    return Resource.from_contents(_document(uri), default_specification=DRAFT202012)


def _reachable(reference: str) -> dict[str, Resource[Any]]:
    """Every file that a schema refers to, and what those refer to."""
    found: dict[str, Resource[Any]] = {}
    waiting = [urldefrag(reference).url]
    while waiting:
        uri = waiting.pop()
        if uri not in found:
            found[uri] = _resource(uri)
            waiting += [urljoin(uri, urldefrag(each).url) for each in _references(found[uri].contents)]
    return found


def _references(node: Any) -> list[str]:
    """Examples are left out: what they refer to says nothing."""
    if isinstance(node, list):
        return [each for inner in node for each in _references(inner)]
    if not isinstance(node, Mapping):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) and "/examples/" not in node["$ref"] else []
    return own + [each for key, inner in node.items() if key != "examples" for each in _references(inner)]


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1").replace("%", "%25").replace(" ", "%20")


def _pointer_of(document: Any, operation: _Operation) -> str | None:
    """Where an operation stands in its file, whose paths begin after the server's."""
    path = "/".join(operation.template)
    for key, methods in document["paths"].items():
        if path.endswith(key.strip()) and operation.method.lower() in methods:
            return f"/paths/{_escaped(key)}/{operation.method.lower()}"
    return None


def _follow(uri: str, pointer: str) -> tuple[str, str, Any]:
    """What stands at a place, and where it really stands when the place refers to another one."""
    node = Registry().with_resource(uri, _resource(uri)).resolver().lookup(f"{uri}#{pointer}").contents
    if isinstance(node, Mapping) and "$ref" in node:
        return _follow(*urldefrag(urljoin(uri, node["$ref"])))
    return uri, pointer, node


@cache
def specification() -> Specification | None:
    """The specification, if it is at hand."""
    named = os.environ.get(VARIABLE)
    folders = [Path(named)] if named else [above / "shared" / "matrix" for above in ROOT.parents]
    return next((Specification(folder) for folder in folders if (folder / "endpoints.tsv").is_file()), None)
