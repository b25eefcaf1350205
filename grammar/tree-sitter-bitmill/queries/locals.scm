(recipe) @local.scope

(definition
  name: (word) @local.definition)

(part
  name: (word) @local.reference)
