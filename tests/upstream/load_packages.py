"""coremltools reads every operator, infers its types, finds those that are declared, and counts them: PACKAGE..."""

import sys, coremltools as ct
for path in sys.argv[1:]:
    model = ct.models.MLModel(path, skip_model_load=True)
    program = ct.converters.mil.frontend.milproto.load.load(
        model.get_spec(), specification_version=model.get_spec().specificationVersion,
        file_weights_dir=model.weights_dir)
    program.validate()
    kinds = {}
    for op in program.functions['main'].operations:
        if op.op_type != 'const':
            kinds[op.op_type] = kinds.get(op.op_type, 0) + 1
    print(path.rsplit('/', 1)[-1], sorted(kinds.items()))
