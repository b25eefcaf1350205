(model
  "model" @context
  path: (string) @name) @item

(target
  "target" @context
  (word) @name) @item

(import
  "import" @context
  path: (string) @name) @item

(extend
  "extend" @context
  preset: (string) @name) @item

(calibrate
  "calibrate" @context
  path: (string) @name) @item

(shapes
  "shapes" @name) @item

(definition
  "scheme" @context
  name: (word) @name) @item

(rule
  selector: (_) @name
  "=>" @context) @item

(expect
  "expect" @context) @item
