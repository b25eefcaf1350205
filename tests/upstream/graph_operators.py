#!/usr/bin/env python3
"""Writes down what coremltools' operators accept, for tests/graph_operators.rs.

    graph_operators.py OUT.json && gzip -9n OUT.json

One entry per operator and operator set in which it changes: parameters in order, each with its name, whether it is
required, whether it must be constant, the group whose members share an element type, and the element types.
"""

import json
import sys

from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
from coremltools.converters.mil.mil.types.type_mapping import builtin_to_string

# Specification version to operator set; the first ML Programs are of CoreML5.
SETS = {6: "CoreML5", 7: "CoreML6", 8: "CoreML7", 9: "CoreML8"}


def parameter(cls, name, spec):
    kind = type(spec).__name__
    row = {"name": name, "required": not spec.optional, "constant": bool(spec.const), "kind": kind}
    group = getattr(spec, "type_domain_id", None)
    if group is not None:
        row["group"] = group
    if kind == "TensorInputType":
        domain = spec.type_domain if group is None else cls.type_domains[group]
        domain = domain if isinstance(domain, (tuple, list, set)) else (domain,)
        row["types"] = sorted(builtin_to_string(t) for t in domain)
    return row


def main():
    table = []
    for kind in sorted(SSAOpRegistry.core_ops):
        last = None
        for target, cls in sorted(SSAOpRegistry.core_ops[kind].items()):
            name = SETS.get(target.value)
            if name is None or kind.startswith("_"):
                continue
            parameters = [
                parameter(cls, name, spec)
                for name, spec in cls.input_spec.input_types.items()
                if not name.startswith("_")
            ]
            if parameters != last:
                table.append({"kind": kind, "since": name, "parameters": parameters})
                last = parameters
    with open(sys.argv[1], "w") as out:
        json.dump(table, out, indent=None, separators=(",", ":"))
        out.write("\n")


if __name__ == "__main__":
    main()
