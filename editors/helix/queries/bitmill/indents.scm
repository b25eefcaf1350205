[
  (options)
  (arguments)
  (array)
  (parenthesized)
] @indent

[
  "}"
  ")"
  "]"
] @outdent
