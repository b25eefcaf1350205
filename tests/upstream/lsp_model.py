"""Writes tests/data/lsp/metaModel.json.gz: the types and methods of the Language Server Protocol.

    pip install lsprotocol==2025.0.0 && python tests/upstream/lsp_model.py

`lsprotocol` (Microsoft, MIT) is generated from the specification's own metaModel.json and carries all of it in Python
types: this turns them back into that form, with the properties that a structure inherits written out. What the
types have lost and this restores: properties which are named as addresses are `DocumentUri`, what a request with a
`partialResultToken` may send in parts is the lists among its results, and what stands in the tables below.
"""

import enum
import gzip
import json
import pathlib
import typing

import attrs
from lsprotocol import _hooks, types, validators

_hooks._resolve_forward_references()

# Properties that may be absent, and may be null as well: the types cannot tell these from those that are never null.
OPTIONAL_AND_NULL = {("SignatureHelp", "activeParameter"), ("SignatureInformation", "activeParameter")}
PARTS = {
    "textDocument/diagnostic": "DocumentDiagnosticReportPartialResult",
    "workspace/diagnostic": "WorkspaceDiagnosticReportPartialResult",
    "textDocument/semanticTokens/full": "SemanticTokensPartialResult",
    "textDocument/semanticTokens/full/delta": "SemanticTokensDeltaPartialResult",
    "textDocument/semanticTokens/range": "SemanticTokensPartialResult",
}
# Numbers whose sign the types do not tell, and enumerations that they leave open.
UNSIGNED = {
    ("SemanticTokens", "data"),
    ("SemanticTokensEdit", "data"),
    ("SemanticTokensPartialResult", "data"),
    ("SignatureHelp", "activeParameter"),
    ("SignatureInformation", "activeParameter"),
    ("FileSystemWatcher", "kind"),
}
CLOSED = {("CompletionItem", "kind"), ("ClientCompletionItemOptionsKind", "valueSet")}
# Objects without properties, of which the types say that they are anything.
SWITCHES = {
    ("SemanticTokensOptions", "range"),
    ("SemanticTokensRegistrationOptions", "range"),
    ("ClientSemanticTokensRequestOptions", "range"),
}
STRUCTURES = {}
ENUMERATIONS = {}


def base(name):
    return {"kind": "base", "name": name}


def one_of(items):
    flat = []
    for item in items:
        for one in item["items"] if item["kind"] == "or" else [item]:
            if one not in flat:
                flat.append(one)
    any_kind = {"kind": "reference", "name": "LSPAny"}
    if any_kind in flat:
        return any_kind
    return flat[0] if len(flat) == 1 else {"kind": "or", "items": flat}


def of(hint, integer="integer"):
    if isinstance(hint, typing.ForwardRef):
        hint = hint.__forward_arg__
    if isinstance(hint, str):
        hint = types.ALL_TYPES_MAP.get(hint) or getattr(types, hint)
    simple = {str: "string", bool: "boolean", int: integer, float: "decimal", type(None): "null"}
    if hint in simple:
        return base(simple[hint])
    if hint in (typing.Any, object, types.LSPObject):
        return {"kind": "reference", "name": "LSPAny"}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        return one_of([of(argument, integer) for argument in arguments])
    if origin is typing.Literal:
        return one_of([{"kind": "stringLiteral", "value": value} for value in arguments])
    if origin is tuple:
        # The one tuple of the specification is of two offsets.
        return {"kind": "tuple", "items": [of(argument, "uinteger") for argument in arguments]}
    if origin is not None and issubclass(origin, typing.Mapping):
        return {"kind": "map", "key": of(arguments[0]), "value": of(arguments[1])}
    if origin is not None and issubclass(origin, typing.Sequence):
        return {"kind": "array", "element": of(arguments[0], integer)}
    if issubclass(hint, enum.Enum):
        ENUMERATIONS.setdefault(hint.__name__, [member.value for member in hint])
        return {"kind": "reference", "name": hint.__name__}
    structure(hint)
    return {"kind": "reference", "name": hint.__name__}


def camel(name):
    first, *rest = name.strip("_").split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def inner(validator):
    return getattr(validator, "validator", validator)


def without(kind, unwanted):
    if kind["kind"] == "array":
        return {"kind": "array", "element": without(kind["element"], unwanted)}
    return one_of([item for item in kind["items"] if item != unwanted]) if kind["kind"] == "or" else kind


def property_of(owner, field):
    name = camel(field.name)
    validator = inner(field.validator)
    is_unsigned = validator is validators.uinteger_validator or (owner.__name__, name) in UNSIGNED
    kind = of(field.type, "uinteger" if is_unsigned else "integer")
    if (owner.__name__, name) in CLOSED:
        kind = without(kind, base("integer"))
    if (owner.__name__, name) in SWITCHES:
        STRUCTURES.setdefault("EmptyObject", [])
        kind = one_of([base("boolean"), {"kind": "reference", "name": "EmptyObject"}])
    choices = getattr(validator, "options", None)
    if choices is not None:
        kind = one_of([{"kind": "stringLiteral", "value": value} for value in choices])
    if kind == base("string") and (name == "href" or name.lower().endswith("uri")):
        kind = base("DocumentUri")
    can_lack = field.default is None and not types.is_special_property(owner, field.name)
    nullable = (owner.__name__, name) in OPTIONAL_AND_NULL
    if can_lack or nullable:
        kind = kind if nullable else without(kind, base("null"))
        return {"name": name, "type": kind, "optional": True}
    return {"name": name, "type": kind}


def structure(owner):
    if owner.__name__ not in STRUCTURES:
        STRUCTURES[owner.__name__] = None
        STRUCTURES[owner.__name__] = [property_of(owner, field) for field in attrs.fields(owner)]


def named(kind):
    return base("null") if kind is None else of(kind)


def parts(method, result):
    if method in PARTS:
        return of(PARTS[method])
    items = result["items"] if result["kind"] == "or" else [result]
    return one_of([item for item in items if item["kind"] == "array"])


def messages():
    requests, notifications = [], []
    for method, (message, response, params, options) in types.METHOD_TO_TYPES.items():
        told = {"method": method, "messageDirection": types.message_direction(method), "params": named(params)}
        if options is not None:
            told["registrationOptions"] = of(options)
        if response is None:
            notifications.append(told)
            continue
        told["result"] = of(attrs.fields_dict(response)["result"].type)
        if params is not None and hasattr(params, "__attrs_attrs__"):
            if any(field.name == "partial_result_token" for field in attrs.fields(params)):
                told["partialResult"] = parts(method, told["result"])
        requests.append(told)
    return requests, notifications


requests, notifications = messages()
for extra in ("WorkDoneProgressBegin", "WorkDoneProgressReport", "WorkDoneProgressEnd"):
    of(extra)
of(types.ErrorCodes), of(types.LSPErrorCodes)
model = {
    "metaData": {
        "version": types.__lsp_version__,
        "origin": "PyPI lsprotocol 2025.0.0, through tests/upstream/lsp_model.py",
        "license": "MIT, Copyright (c) Microsoft Corporation",
    },
    "requests": requests,
    "notifications": notifications,
    "structures": [{"name": name, "properties": held} for name, held in sorted(STRUCTURES.items())],
    "enumerations": [{"name": name, "values": values} for name, values in sorted(ENUMERATIONS.items())],
}
target = pathlib.Path(__file__).parent.parent / "data" / "lsp" / "metaModel.json.gz"
target.parent.mkdir(exist_ok=True)
target.write_bytes(gzip.compress(json.dumps(model, separators=(",", ":")).encode(), 9, mtime=0))
