(options
  "}" @end) @indent

(arguments
  ")" @end) @indent

(parenthesized
  ")" @end) @indent

(array
  "]" @end) @indent
