[
  (options)
  (arguments)
  (array)
  (parenthesized)
  (rule)
  (definition)
] @fold
