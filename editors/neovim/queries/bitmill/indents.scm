[
  (options)
  (arguments)
  (array)
  (parenthesized)
] @indent.begin

[
  ")"
  "]"
  "}"
] @indent.branch @indent.end

(comment) @indent.auto
