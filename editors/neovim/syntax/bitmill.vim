" Made from the tables of words in src/ by tests/grammar.
" What Neovim shows without the tree-sitter parser.

if exists('b:current_syntax')
  finish
endif

syntax iskeyword @,48-57,192-255,_,-

syntax keyword bitmillConnective and not or where
syntax keyword bitmillKind activation add all attention avg-pool conv conv-transpose conv1d conv2d conv3d embedding flatten gru linear lstm matmul max-pool mul norm other rnn softmax
syntax keyword bitmillFact bytes dtype groups in_features kernel layer ops out_features params rank
syntax keyword bitmillBase bf16 fp16 fp32 fp8-e4m3 fp8-e5m2 int1 int2 int3 int4 int5 int6 int7 int8 lut1 lut2 lut3 lut4 lut5 lut6 lut7 lut8 uint1 uint2 uint3 uint4 uint5 uint6 uint7 uint8
syntax keyword bitmillPart activations block by entries fit per-channel per-group per-grouped-channel per-tensor scale scaled sparse sparse-below vector
syntax keyword bitmillConstant asymmetric hqq kmeans min-max mse symmetric symmetric-no-clipping uniform unique keep none

syntax match bitmillStatement /^\s*\%(model\|target\|compute\|precision\|arithmetic\|threshold\|calibrate\|shapes\|scheme\|import\|extend\|expect\|output\)\>\%(\s*\%(=>\|,\|\%(and\|or\|where\)\>\)\)\@!/
syntax match bitmillExpectation /\%(^\s*expect\s.*\)\@<=\<\%(every\|kept\|matches\|no\|quantized\|size\|bits\|sqnr\|accuracy\|drop\|perplexity\|rise\)\>/
syntax match bitmillTarget /\<\%(iOS\|macOS\|watchOS\|tvOS\|visionOS\)\d\+\%(\.\d\+\)*\>/
syntax match bitmillScheme /\%(^\s*scheme\s\+\)\@<=\k\+/
syntax match bitmillNumber /\%(\k\|\.\)\@<!-\?\d[0-9_]*\%(\.\d\+\)\?\%([eE][+-]\?\d\+\)\?\%(%\|\s*\%(bits\|GiB\|KiB\|MiB\|GB\|MB\|dB\|kB\|B\|G\|M\|k\)\>\)\?/
syntax match bitmillOperator /=>\|==\|!=\|<=\|>=\|[=<>%]/
syntax match bitmillWildcard /[*?]\|{[^}"]*}\|\[[^]"]*\]/ contained
syntax match bitmillEscape /\\["\\]/ contained
syntax region bitmillString start=/"/ skip=/\\./ end=/"/ oneline contains=bitmillEscape,bitmillWildcard
syntax match bitmillRegex +/\%([^/\\]\|\\.\)\+/+
syntax match bitmillDirective /bitmill:\s*allow\ze\s*(/ contained
syntax match bitmillComment /#.*$/ contains=bitmillDirective,@Spell

highlight default link bitmillStatement Statement
highlight default link bitmillExpectation Keyword
highlight default link bitmillConnective Operator
highlight default link bitmillKind Type
highlight default link bitmillFact Identifier
highlight default link bitmillBase Type
highlight default link bitmillPart Function
highlight default link bitmillConstant Constant
highlight default link bitmillTarget Constant
highlight default link bitmillScheme Typedef
highlight default link bitmillNumber Number
highlight default link bitmillOperator Operator
highlight default link bitmillWildcard SpecialChar
highlight default link bitmillEscape SpecialChar
highlight default link bitmillString String
highlight default link bitmillRegex String
highlight default link bitmillDirective PreProc
highlight default link bitmillComment Comment

let b:current_syntax = 'bitmill'
