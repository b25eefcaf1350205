(definition
  name: (word) @name) @definition.constant

(part
  name: (word) @name) @reference.constant
