[
  (rule)
  (definition)
  (expect)
] @class.around

(comment) @comment.inside

(comment)+ @comment.around

(arguments
  (_) @parameter.inside)
