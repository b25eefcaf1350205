/**
 * @file bitmill recipes: how a model is quantized for Core ML.
 * @license MIT
 *
 * The same language as `grammar/bitmill.ebnf`. What depends on lines, brackets and units is in `src/scanner.c`.
 */

/// <reference types="tree-sitter-cli/dsl" />
// @ts-check

/** Statements that are not rules. In front of `=>`, `,`, `and`, `or` or `where` their words are kinds. */
const KINDS_TOO = [
  'model',
  'target',
  'compute',
  'precision',
  'arithmetic',
  'threshold',
  'calibrate',
  'shapes',
  'scheme',
  'import',
  'extend',
  'output',
];

/** Words that are nothing else in selectors, schemes and names. */
const CONNECTIVES = ['and', 'or', 'not', 'where'];

/** Parts of schemes that take the word or number behind them. */
const OPERAND_PARTS = ['scale', 'by', 'fit', 'entries', 'sparse', 'sparse-below'];

/**
 * One or more, with a separator.
 *
 * @param {RuleOrLiteral} rule
 * @param {RuleOrLiteral} separator
 */
function separated(rule, separator) {
  return seq(rule, repeat(seq(separator, rule)));
}

/**
 * A comparison; behind "=" and "==" the statement may go on in the next line.
 *
 * @param {GrammarSymbols<string>} $
 */
function comparing($) {
  return choice(
    dangling($, field('operator', alias(choice('==', '='), $.operator))),
    field('operator', alias(choice('!=', '<', '<=', '>', '>='), $.operator)),
  );
}

/**
 * A sign behind which the statement may go on in the next line.
 *
 * @param {GrammarSymbols<string>} $
 * @param {RuleOrLiteral} sign
 */
function dangling($, sign) {
  return seq(sign, optional($._continuation));
}

export default grammar({
  name: 'bitmill',

  word: $ => $.word,

  externals: $ => [
    $._begin, // of a statement: remembers how deep it is indented
    $._newline, // ends a statement
    $._line_break, // between brackets
    $._continuation, // of a statement on the next line, which is indented deeper
    $._same_line, // nothing: the next token is on this line
    $._text,
    $._pattern,
    $.comment,
    $.allow,
    $.number,
    $.quantity,
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    $._never, // only while recovering from a mistake
  ],

  extras: $ => [/[ \t\u000B\f\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]/, $._line_break, $.comment, $.allow],

  reserved: {
    global: _ => CONNECTIVES,
    parts: _ => [...CONNECTIVES, 'activations'],
    values: _ => [],
  },

  supertypes: $ => [$._statement, $._selector, $._condition, $._term, $._value],

  rules: {
    recipe: $ => seq(
      repeat(seq(optional(seq($._begin, $._statement)), $._newline)),
      optional(seq($._begin, $._statement)),
    ),

    // ---- Statements -----------------------------------------------------------------------------------------------

    _statement: $ => choice(
      $.model,
      $.target,
      $.compute,
      $.precision,
      $.arithmetic,
      $.threshold,
      $.calibrate,
      $.shapes,
      $.definition,
      $.import,
      $.extend,
      $.output,
      $.expect,
      $.rule,
    ),

    model: $ => seq('model', field('path', $.string)),
    target: $ => seq('target', separated($.word, dangling($, ','))),
    compute: $ => seq('compute', field('choice', $.word)),
    precision: $ => seq('precision', field('choice', $.word)),
    arithmetic: $ => seq('arithmetic', field('choice', $.word)),
    threshold: $ => seq('threshold', field('bound', $.bound)),
    calibrate: $ => seq('calibrate', field('path', $.string), field('options', optional($.options))),
    shapes: $ => seq('shapes', field('inputs', $.options)),
    definition: $ => seq('scheme', field('name', $.word), dangling($, '='), field('scheme', $.scheme)),
    import: $ => seq('import', field('path', $.string)),
    extend: $ => seq('extend', field('preset', $.string), field('options', optional($.options))),
    output: $ => seq('output', field('path', $.string)),
    rule: $ => seq(field('selector', $._selector), dangling($, '=>'), field('scheme', $.scheme)),

    // ---- Selectors, from loose to tight: "," where or and not ---------------------------------------------------------

    _selector: $ => choice($.list, $._filtered),
    list: $ => prec.left(seq($._filtered, repeat1(seq(dangling($, ','), $._filtered)))),
    _filtered: $ => choice($.filtered, $._either),
    filtered: $ => prec.left(seq(field('selector', $._either), repeat1(seq('where', field('condition', $._condition))))),
    _either: $ => choice($.either, $._both),
    either: $ => prec.left(seq($._both, repeat1(seq('or', $._both)))),
    _both: $ => choice($.both, $._negatable),
    both: $ => prec.left(seq($._negatable, repeat1(seq('and', $._negatable)))),
    _negatable: $ => choice($.negation, $._atom),
    negation: $ => seq('not', $._negatable),
    _atom: $ => choice($.kind, $.glob, $.regex, $.parenthesized),
    // The keyword of a statement is one where no statement can begin, and where none of its kind goes on.
    kind: $ => choice($.word, ...KINDS_TOO.map(word => alias(word, $.word))),
    glob: $ => $.string,
    parenthesized: $ => seq('(', $._selector, ')'),

    // ---- Conditions ------------------------------------------------------------------------------------------------------

    _condition: $ => choice($.any_of, $._all),
    any_of: $ => prec.left(seq($._all, repeat1(seq('or', $._all)))),
    _all: $ => choice($.all_of, $._fact),
    all_of: $ => prec.left(seq($._fact, repeat1(seq('and', $._fact)))),
    _fact: $ => choice(alias($.not_fact, $.negation), $.comparison, alias($.parenthesized_condition, $.parenthesized)),
    not_fact: $ => seq('not', $._fact),
    parenthesized_condition: $ => seq('(', $._condition, ')'),
    comparison: $ => seq(
      field('left', $._term),
      comparing($),
      field('right', $._term),
    ),
    _term: $ => choice($.remainder, $._operand),
    remainder: $ => prec.left(seq($._operand, repeat1(seq('%', $._operand)))),
    _operand: $ => choice(alias($.word, $.fact), $._number, $.string),

    // ---- Schemes ---------------------------------------------------------------------------------------------------------

    scheme: $ => seq(repeat1(choice($.part, $.operand_part)), optional($.activations)),
    part: $ => seq(
      field('name', reserved('parts', $.word)),
      optional(field('arguments', choice($.arguments, $.array))),
    ),
    operand_part: $ => seq(
      field('name', choice(...OPERAND_PARTS.map(word => alias(word, $.word)))),
      field('operand', choice($.word, $._number, $.ratio)),
    ),
    ratio: $ => seq($._number, ':', $._number),
    activations: $ => seq(dangling($, ','), 'activations', repeat1($.word)),
    arguments: $ => seq('(', separated($._value, ','), ')'),
    array: $ => seq('[', separated($._value, ','), ']'),
    _value: $ => choice($._number, reserved('values', $.word), $.string, $.array),

    // ---- Options ---------------------------------------------------------------------------------------------------------

    options: $ => seq('{', repeat(choice(',', $.option)), '}'),
    option: $ => seq(field('name', reserved('values', $.word)), $._same_line, field('value', $._value)),

    // ---- Expectations ------------------------------------------------------------------------------------------------------

    expect: $ => seq('expect', choice($._measured, $._counted, $._decided, $._quantified)),
    _measured: $ => seq(optional(field('selector', $._selector)), $.metric, comparing($), $.bound),
    _counted: $ => seq(field('selector', $._selector), 'matches', optional(comparing($)), $._number),
    _decided: $ => seq(field('selector', $._selector), dangling($, '=>'), field('scheme', $.scheme)),
    _quantified: $ => seq(choice('every', 'no'), field('selector', $._selector), choice('quantized', 'kept')),
    metric: _ => choice('size', 'bits', 'sqnr', seq('accuracy', 'drop'), seq('perplexity', 'rise')),

    bound: $ => choice($.quantity, seq($.number, optional($.unit))),
    unit: _ => choice('k', 'M', 'G', 'B', 'kB', 'MB', 'GB', 'KiB', 'MiB', 'GiB', 'dB', 'bits'),
    // A quantity is a number with its unit directly behind it.
    _number: $ => choice($.number, $.quantity),

    // ---- Tokens ------------------------------------------------------------------------------------------------------------

    word: _ => /[_\p{Alphabetic}\p{Nl}\p{No}]([_\p{Alphabetic}\p{N}]|[0-9](\.[0-9]+)+|-[\p{Alphabetic}\p{N}])*/,
    string: $ => seq('"', repeat(choice($._text, $.escape)), token.immediate('"')),
    escape: _ => token.immediate(/\\["\\]/),
    regex: $ => seq('/', alias($._pattern, $.pattern), token.immediate('/')),
  },
});
