; Made from the tables of words in src/ by tests/grammar.

(comment) @comment
(allow) @comment

; Statements
[
  "model"
  "target"
  "compute"
  "precision"
  "arithmetic"
  "threshold"
  "calibrate"
  "shapes"
  "scheme"
  "import"
  "extend"
  "expect"
  "output"
] @keyword
(target (word) @constant.builtin)
(compute choice: (word) @constant.builtin)
(precision choice: (word) @constant.builtin)
(arithmetic choice: (word) @constant.builtin)
(definition name: (word) @type)
(option name: (word) @variable.parameter)
(option value: (word) @constant)

; Selectors
[
  "and"
  "not"
  "or"
  "where"
] @keyword.operator
(kind (word) @type)
(comparison left: (fact) @variable.other.member)
(remainder (fact) @variable.other.member)
(comparison right: (fact) @constant)
(operator) @operator
["=>" "=" "%"] @operator

; Expectations
[
  "every"
  "kept"
  "matches"
  "no"
  "quantized"
] @keyword
(metric) @variable.other.member

; Schemes
((part name: (word) @constant.builtin)
  (#any-of? @constant.builtin
  "keep"))
((part name: (word) @type.builtin)
  (#any-of? @type.builtin
  "bf16"
  "fp16"
  "fp32"
  "fp8-e4m3"
  "fp8-e5m2"
  "int1"
  "int2"
  "int3"
  "int4"
  "int5"
  "int6"
  "int7"
  "int8"
  "lut1"
  "lut2"
  "lut3"
  "lut4"
  "lut5"
  "lut6"
  "lut7"
  "lut8"
  "uint1"
  "uint2"
  "uint3"
  "uint4"
  "uint5"
  "uint6"
  "uint7"
  "uint8"))
((part name: (word) @function.builtin)
  (#any-of? @function.builtin
  "activations"
  "block"
  "by"
  "entries"
  "fit"
  "per-channel"
  "per-group"
  "per-grouped-channel"
  "per-tensor"
  "scale"
  "scaled"
  "sparse"
  "sparse-below"
  "vector"))
((part name: (word) @constant)
  (#any-of? @constant
  "asymmetric"
  "hqq"
  "kmeans"
  "min-max"
  "mse"
  "symmetric"
  "symmetric-no-clipping"
  "uniform"
  "unique"))
((part name: (word) @type)
  (#not-any-of? @type
  "keep"
  "bf16"
  "fp16"
  "fp32"
  "fp8-e4m3"
  "fp8-e5m2"
  "int1"
  "int2"
  "int3"
  "int4"
  "int5"
  "int6"
  "int7"
  "int8"
  "lut1"
  "lut2"
  "lut3"
  "lut4"
  "lut5"
  "lut6"
  "lut7"
  "lut8"
  "uint1"
  "uint2"
  "uint3"
  "uint4"
  "uint5"
  "uint6"
  "uint7"
  "uint8"
  "activations"
  "block"
  "by"
  "entries"
  "fit"
  "per-channel"
  "per-group"
  "per-grouped-channel"
  "per-tensor"
  "scale"
  "scaled"
  "sparse"
  "sparse-below"
  "vector"
  "asymmetric"
  "hqq"
  "kmeans"
  "min-max"
  "mse"
  "symmetric"
  "symmetric-no-clipping"
  "uniform"
  "unique"))
(operand_part name: (word) @function.builtin)
(operand_part operand: (word) @constant)
"activations" @function.builtin
((activations (word) @type.builtin)
  (#any-of? @type.builtin
  "bf16"
  "fp16"
  "fp32"
  "fp8-e4m3"
  "fp8-e5m2"
  "int1"
  "int2"
  "int3"
  "int4"
  "int5"
  "int6"
  "int7"
  "int8"
  "lut1"
  "lut2"
  "lut3"
  "lut4"
  "lut5"
  "lut6"
  "lut7"
  "lut8"
  "uint1"
  "uint2"
  "uint3"
  "uint4"
  "uint5"
  "uint6"
  "uint7"
  "uint8"))
((activations (word) @constant)
  (#not-any-of? @constant
  "bf16"
  "fp16"
  "fp32"
  "fp8-e4m3"
  "fp8-e5m2"
  "int1"
  "int2"
  "int3"
  "int4"
  "int5"
  "int6"
  "int7"
  "int8"
  "lut1"
  "lut2"
  "lut3"
  "lut4"
  "lut5"
  "lut6"
  "lut7"
  "lut8"
  "uint1"
  "uint2"
  "uint3"
  "uint4"
  "uint5"
  "uint6"
  "uint7"
  "uint8"))

; Literals
(string) @string
(escape) @constant.character.escape
(regex) @string.regexp
(number) @constant.numeric
(quantity) @constant.numeric
(unit) @constant.numeric
["," ":"] @punctuation.delimiter
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
