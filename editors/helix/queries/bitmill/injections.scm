((regex
  (pattern) @injection.content)
  (#set! injection.language "regex"))

([
  (comment)
  (allow)
] @injection.content
  (#set! injection.language "comment"))
