//! The tree of a recipe: what was written and where, before anything is looked up.
//!
//! Parts that are missing in the text are `None`: the parser has already reported them, and later stages
//! stay silent about them. Words are kept as written, known or not; what they mean is `recipe`'s business.

use super::Span;

/// A value and the place where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spanned<T> {
    /// What is written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A bare word: a keyword, kind, field, scheme part or name. Words hold letters, digits, `_`, inner `-`,
/// and `.` before a digit (`iOS18`, `macOS10.15`, `per-group`, `in_features`).
pub type Word = Spanned<String>;

/// The content of a string literal, escapes resolved; the span covers the quotes.
pub type Text = Spanned<String>;

/// A number as written, with its unit glued or one blank behind it (`2048`, `30%`, `2k`, `1.5M`, `12MB`, `30 dB`, `-1`).
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// The numeral, sign included, unit excluded.
    pub value: f64,
    /// `%`, `k`, `M`, `G`, `B`, `kB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`, `dB`, `bits`, or what else was written there; empty for none.
    pub unit: String,
    /// Numeral and unit.
    pub span: Span,
}

/// A whole recipe file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct File {
    /// The statements, in order; those with mistakes too.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// From its first token to its last, comment and line end excluded.
    pub span: Span,
    /// What it says.
    pub kind: StatementKind,
}

/// What a statement says.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// `model "PATH"`
    Model(Option<Text>),
    /// `target iOS18, macOS15`
    Target(Vec<Word>),
    /// `compute all`
    Compute(Option<Word>),
    /// `precision fp16`
    Precision(Option<Word>),
    /// `arithmetic torchao`
    Arithmetic(Option<Word>),
    /// `threshold 2048`
    Threshold(Option<Number>),
    /// `calibrate "PATH" { … }`
    Calibrate {
        /// The samples.
        path: Option<Text>,
        /// The block of options.
        options: Option<Options>,
    },
    /// `shapes { INPUT [1, 64] }`
    Shapes(Option<Options>),
    /// `scheme NAME = SCHEME`
    Scheme {
        /// The new name.
        name: Option<Word>,
        /// What it stands for.
        scheme: Option<Scheme>,
    },
    /// `import "PATH"`
    Import(Option<Text>),
    /// `extend "PRESET" { … }`
    Extend {
        /// The preset's name.
        preset: Option<Text>,
        /// Its parameters.
        options: Option<Options>,
    },
    /// `SELECTOR => SCHEME`
    Rule {
        /// What it matches.
        selector: Selector,
        /// The arrow.
        arrow: Option<Span>,
        /// What is done with it.
        scheme: Option<Scheme>,
    },
    /// `expect …`
    Expect(Option<Expectation>),
    /// `output "PATH"`
    Output(Option<Text>),
    /// Text that is no statement; the parser has said so.
    Error,
}

/// `{ key value … }`: pairs on one line or several, separated by blanks, commas or line ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Braces included.
    pub span: Span,
    /// In order.
    pub entries: Vec<OptionEntry>,
}

/// One `key value` of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionEntry {
    /// The key.
    pub key: Word,
    /// The value; missing when the text has none.
    pub value: Option<Value>,
    /// Key and value.
    pub span: Span,
}

/// The value of an option, or an argument of a scheme part.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `128`, `0.01`, `-1`
    Number(Number),
    /// `min-max`, `true`
    Word(Word),
    /// `"…"`
    Text(Text),
    /// `[16, -1]`
    List(Spanned<Vec<Value>>),
}

impl Value {
    /// Where it is written.
    pub fn span(&self) -> Span {
        match self {
            Value::Number(n) => n.span,
            Value::Word(w) | Value::Text(w) => w.span,
            Value::List(l) => l.span,
        }
    }
}

/// A scheme as written: parts in any order, then perhaps `, activations …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheme {
    /// From the first part to the last.
    pub span: Span,
    /// `int4`, `per-group(32)`, `symmetric`, `scale fp16`, …
    pub parts: Vec<Part>,
    /// What follows `activations`.
    pub activations: Option<Activations>,
}

/// One part of a scheme.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Word, arguments and operand.
    pub span: Span,
    /// `int4`, `per-group`, `block`, `scale`, `by`, `fit`, `entries`, `sparse`, a scheme's name, …
    pub word: Word,
    /// `(…)` or `[…]` behind the word, if any: `per-group(32)`, `block[16, -1]`, `vector(2)`.
    pub arguments: Option<Spanned<Vec<Value>>>,
    /// What belongs to `scale`, `by`, `fit`, `entries` and `sparse`: the value behind the word.
    pub operand: Option<Operand>,
}

/// The value behind `scale`, `by`, `fit`, `entries` or `sparse`.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// `scale fp16`, `by hqq`
    Word(Word),
    /// `sparse 50%`
    Number(Number),
    /// `sparse 2:4`
    Ratio(Spanned<(Number, Number)>),
}

impl Operand {
    /// Where it is written.
    pub fn span(&self) -> Span {
        match self {
            Operand::Word(w) => w.span,
            Operand::Number(n) => n.span,
            Operand::Ratio(r) => r.span,
        }
    }
}

/// `, activations uint8 symmetric` or `, activations dynamic`
#[derive(Debug, Clone, PartialEq)]
pub struct Activations {
    /// From `activations` to the last part.
    pub span: Span,
    /// The words behind it.
    pub parts: Vec<Word>,
}

/// What a rule or an expectation matches.
#[derive(Debug, Clone, PartialEq)]
pub enum Selector {
    /// `a, b` and `a or b`
    Or(Box<Selector>, Box<Selector>),
    /// `a and b`
    And(Box<Selector>, Box<Selector>),
    /// `not a`; the span begins at `not`.
    Not(Spanned<Box<Selector>>),
    /// `a where c`: binds looser than `or`, tighter than the comma.
    Where(Box<Selector>, Condition),
    /// `(a)`
    Parens(Spanned<Box<Selector>>),
    /// `linear`
    Kind(Word),
    /// `"*.q_proj"`
    Glob(Text),
    /// `/…/`; the value is what stands between the slashes, `\/` resolved to `/`.
    Regex(Text),
    /// What should stand here was not found; the parser has said so. The span is empty.
    Missing(Span),
}

impl Selector {
    /// Where it is written.
    pub fn span(&self) -> Span {
        match self {
            Selector::Or(a, b) | Selector::And(a, b) => a.span().to(b.span()),
            Selector::Not(s) | Selector::Parens(s) => s.span,
            Selector::Where(a, c) => a.span().to(c.span()),
            Selector::Kind(w) | Selector::Glob(w) | Selector::Regex(w) => w.span,
            Selector::Missing(s) => *s,
        }
    }
}

/// What stands behind `where`.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `a or b`
    Or(Box<Condition>, Box<Condition>),
    /// `a and b`
    And(Box<Condition>, Box<Condition>),
    /// `not a`
    Not(Spanned<Box<Condition>>),
    /// `(a)`
    Parens(Spanned<Box<Condition>>),
    /// `in_features % 32 != 0`, `dtype == fp16`, `params > 1M`
    Compare {
        /// Left of the operator.
        left: Term,
        /// The operator.
        operator: Spanned<Comparison>,
        /// Right of it.
        right: Term,
    },
    /// What should stand here was not found; the parser has said so.
    Missing(Span),
}

impl Condition {
    /// Where it is written.
    pub fn span(&self) -> Span {
        match self {
            Condition::Or(a, b) | Condition::And(a, b) => a.span().to(b.span()),
            Condition::Not(s) | Condition::Parens(s) => s.span,
            Condition::Compare { left, right, .. } => left.span().to(right.span()),
            Condition::Missing(s) => *s,
        }
    }
}

/// A side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// A field (`in_features`) or, against `dtype`, `ops` and the like, a bare value (`fp16`).
    Word(Word),
    /// `1M`
    Number(Number),
    /// `"…"`
    Text(Text),
    /// `a % b`
    Remainder(Box<Term>, Box<Term>),
    /// What should stand here was not found; the parser has said so.
    Missing(Span),
}

impl Term {
    /// Where it is written.
    pub fn span(&self) -> Span {
        match self {
            Term::Word(w) | Term::Text(w) => w.span,
            Term::Number(n) => n.span,
            Term::Remainder(a, b) => a.span().to(b.span()),
            Term::Missing(s) => *s,
        }
    }
}

/// `==`, `!=`, `<`, `<=`, `>`, `>=`. A single `=` is read as `==` in conditions; the formatter writes `==`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// Each with its sign and what it asks.
    pub const ALL: &'static [(Comparison, &'static str, &'static str)] = &[
        (Comparison::Equal, "==", "equal"),
        (Comparison::NotEqual, "!=", "not equal"),
        (Comparison::Less, "<", "less"),
        (Comparison::LessOrEqual, "<=", "at most"),
        (Comparison::Greater, ">", "more"),
        (Comparison::GreaterOrEqual, ">=", "at least"),
    ];

    /// Whether `left OPERATOR right` holds.
    pub fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
        }
    }
}

/// What an `expect` states.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// `size <= 30%`, `bits <= 4.5`, `sqnr >= 30 dB`, `accuracy drop <= 0.5%`, `perplexity rise <= 2%`,
    /// `linear sqnr >= 30 dB`
    Metric {
        /// What it is about; the whole model when absent.
        selector: Option<Selector>,
        /// `size`, `bits`, `sqnr`, `accuracy drop`, `perplexity rise`: words joined by one blank.
        metric: Word,
        /// The operator.
        operator: Option<Spanned<Comparison>>,
        /// The bound.
        bound: Option<Number>,
    },
    /// `linear matches 112`, `linear matches >= 100`
    Matches {
        /// What is counted.
        selector: Selector,
        /// `==` when none is written.
        operator: Spanned<Comparison>,
        /// How many weights.
        count: Option<Number>,
    },
    /// `"head" => keep`
    Decides {
        /// Which weights.
        selector: Selector,
        /// The arrow.
        arrow: Span,
        /// What must have been decided for each.
        scheme: Option<Scheme>,
    },
    /// `every linear quantized`, `no "lm_head" quantized`, `every norm kept`
    Quantified {
        /// `every` or `no`.
        quantifier: Word,
        /// Which weights.
        selector: Selector,
        /// `quantized` or `kept`.
        state: Option<Word>,
    },
}
