//! Sizes that are known only when a program runs: expressions over symbols, as `sympy.srepr` writes them.

use std::collections::HashMap;
use std::fmt;

use crate::graph::Name;

/// How deeply expressions may nest.
const MAX_DEPTH: usize = 64;

/// An integer expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// A number.
    Int(i64),
    /// A symbol: `s0`.
    Symbol(Name),
    /// A function of sympy or PyTorch: `Add`, `Mul`, `Pow`, `FloorDiv`, `Mod`, `Max`, `Min`, …
    Call(Name, Vec<Expr>),
    /// Something that is not understood, as it was written.
    Opaque(Name),
}

/// Bounds, both inclusive; `None` where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// The least.
    pub min: Option<i64>,
    /// The most.
    pub max: Option<i64>,
}

impl Range {
    /// Whether a number lies in it.
    pub fn contains(&self, value: i64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }
}

impl fmt::Display for Range {
    /// As `1..4096`, `2..`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |bound: Option<i64>| bound.map(|bound| bound.to_string()).unwrap_or_default();
        write!(f, "{}..{}", side(self.min), side(self.max))
    }
}

impl Expr {
    /// Reads an expression: `Add(Symbol('s0', positive=True, integer=True), Integer(1))`.
    pub fn read(text: &str) -> Expr {
        let mut reader = Reader { rest: text };
        let read = reader.expr(0).filter(|_| reader.rest.trim().is_empty());
        read.unwrap_or_else(|| Expr::Opaque(text.into()))
    }

    /// Its value for values of symbols; `None` where a symbol has none, a function is unknown, or the result does not
    /// fit 64 bits.
    pub fn value(&self, symbols: &dyn Fn(&str) -> Option<i64>) -> Option<i64> {
        match self {
            Expr::Int(value) => Some(*value),
            Expr::Symbol(name) => symbols(name),
            Expr::Opaque(_) => None,
            Expr::Call(function, arguments) => {
                let values = arguments.iter().map(|one| one.value(symbols)).collect::<Option<Vec<i64>>>()?;
                apply(function, &values)
            }
        }
    }

    /// The symbols in it, in their order, each as often as it stands there.
    pub fn symbols(&self) -> Vec<&Name> {
        match self {
            Expr::Symbol(name) => vec![name],
            Expr::Call(_, arguments) => arguments.iter().flat_map(Expr::symbols).collect(),
            Expr::Int(_) | Expr::Opaque(_) => Vec::new(),
        }
    }

    /// Bounds of its value, from bounds of symbols: exact for sums and products with numbers of 0 and more in which
    /// each symbol stands once, else wider. Sizes are never negative, so symbols without a bound begin at 0.
    pub fn range(&self, symbols: &HashMap<&str, Range>) -> Range {
        match self {
            Expr::Int(value) => Range { min: Some(*value), max: Some(*value) },
            Expr::Symbol(name) => {
                let range = symbols.get(&**name).copied().unwrap_or_default();
                Range { min: Some(range.min.unwrap_or(0)), ..range }
            }
            Expr::Opaque(_) => Range::default(),
            Expr::Call(function, arguments) => {
                let ranges: Vec<Range> = arguments.iter().map(|one| one.range(symbols)).collect();
                // Only functions that never fall when an argument grows have their bounds at the bounds.
                let rises = match &**function {
                    "Add" | "Max" | "Min" => true,
                    "Mul" => ranges.iter().all(|range| range.min.is_some_and(|min| min >= 0)),
                    _ => false,
                };
                let side = |bound: fn(&Range) -> Option<i64>| {
                    let bounds = ranges.iter().map(bound).collect::<Option<Vec<i64>>>()?;
                    apply(function, &bounds)
                };
                match (&**function, ranges.as_slice()) {
                    ("FloorDiv", [value, by]) if by.min == by.max && by.min.is_some_and(|by| by > 0) => {
                        let divided = |bound: Option<i64>| Some(bound?.div_euclid(by.min?));
                        Range { min: divided(value.min), max: divided(value.max) }
                    }
                    _ if rises => Range { min: side(|range| range.min), max: side(|range| range.max) },
                    _ => Range::default(),
                }
            }
        }
    }
}

fn apply(function: &str, values: &[i64]) -> Option<i64> {
    let positive = |by: i64| (by > 0).then_some(by);
    match (function, values) {
        ("Add", values) => values.iter().try_fold(0_i64, |sum, value| sum.checked_add(*value)),
        ("Mul", values) => values.iter().try_fold(1_i64, |product, value| product.checked_mul(*value)),
        ("Max", values) => values.iter().max().copied(),
        ("Min", values) => values.iter().min().copied(),
        ("Pow" | "PowByNatural", [base, power]) => base.checked_pow(u32::try_from(*power).ok()?),
        ("FloorDiv" | "CleanDiv", [value, by]) => Some(value.div_euclid(positive(*by)?)),
        ("CeilDiv", [value, by]) => Some(value.checked_add(positive(*by)? - 1)?.div_euclid(*by)),
        ("Mod" | "PythonMod", [value, by]) => Some(value.rem_euclid(positive(*by)?)),
        _ => None,
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, all: &[Expr], between: &str| {
            for (index, one) in all.iter().enumerate() {
                let sum =
                    matches!(one, Expr::Call(name, _) if &**name == "Add") && between.trim() != "," && between != " + ";
                let (open, close) = if sum { ("(", ")") } else { ("", "") };
                write!(f, "{}{open}{one}{close}", if index == 0 { "" } else { between })?;
            }
            Ok(())
        };
        match self {
            Expr::Int(value) => write!(f, "{value}"),
            Expr::Symbol(name) | Expr::Opaque(name) => f.write_str(name),
            Expr::Call(function, arguments) => match &**function {
                "Add" => joined(f, arguments, " + "),
                "Mul" => joined(f, arguments, "*"),
                "FloorDiv" if arguments.len() == 2 => joined(f, arguments, "//"),
                other => {
                    write!(f, "{other}(")?;
                    joined(f, arguments, ", ")?;
                    f.write_str(")")
                }
            },
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip(&mut self, token: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn word(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c))).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        Some(word).filter(|word| !word.is_empty())
    }

    fn int(&mut self) -> Option<i64> {
        let text = self.rest.trim_start();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let end = text.len() - digits.len() + digits.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = text.split_at(end);
        self.rest = rest;
        number.parse().ok()
    }

    /// The text in quotes.
    fn quoted(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let quote = text.chars().next().filter(|c| "'\"".contains(*c))?;
        let (inner, rest) = text[1..].split_once(quote)?;
        self.rest = rest;
        Some(inner)
    }

    fn expr(&mut self, depth: usize) -> Option<Expr> {
        if depth > MAX_DEPTH {
            return None;
        }
        let first = self.rest.trim_start().chars().next()?;
        if first == '-' || first.is_ascii_digit() {
            return self.int().map(Expr::Int);
        }
        let word = self.word()?;
        if !self.rest.trim_start().starts_with('(') {
            return Some(Expr::Symbol(word.into()));
        }
        self.skip('(')?;
        let function = word.rsplit('.').next().unwrap_or(word);
        match function {
            "Symbol" => {
                let name = self.quoted()?;
                // What it is assumed to be: `positive=True, integer=True`.
                while self.skip(',').is_some() {
                    self.word()?;
                    self.skip('=')?;
                    self.word()?;
                }
                self.skip(')')?;
                Some(Expr::Symbol(name.into()))
            }
            "Integer" => {
                let value = self.int()?;
                self.skip(')')?;
                Some(Expr::Int(value))
            }
            _ => {
                let mut arguments = Vec::new();
                while self.skip(')').is_none() {
                    if !arguments.is_empty() {
                        self.skip(',')?;
                    }
                    arguments.push(self.expr(depth + 1)?);
                }
                Some(Expr::Call(function.into(), arguments))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_and_shown() {
        let shown = |text: &str| Expr::read(text).to_string();
        assert_eq!(shown("Symbol('s40', positive=True, integer=True)"), "s40");
        assert_eq!(shown("Add(Symbol('s0', positive=True), Integer(-1))"), "s0 + -1");
        assert_eq!(shown("Mul(Integer(2), Add(Symbol('s0'), Integer(1)))"), "2*(s0 + 1)");
        assert_eq!(shown("torch.utils._sympy.functions.FloorDiv(Symbol('s0'), Integer(2))"), "s0//2");
        assert_eq!(shown("s7"), "s7");
        assert_eq!(shown("Max(Integer(1), Symbol('u0'))"), "Max(1, u0)");
        for opaque in ["", "Add(", "Symbol(s)", "2 3", "Float('1.5', precision=53)"] {
            assert_eq!(Expr::read(opaque), Expr::Opaque(opaque.into()));
        }
        let deep = "Add(".repeat(1000);
        assert_eq!(Expr::read(&deep), Expr::Opaque(deep.as_str().into()));
    }

    #[test]
    fn expressions_have_values_and_ranges() {
        let expr = Expr::read("Add(Mul(Integer(2), Symbol('s0')), FloorDiv(Symbol('s1'), Integer(3)))");
        assert_eq!(expr.value(&|name| Some(if name == "s0" { 5 } else { 7 })), Some(12));
        assert_eq!(expr.value(&|_| None), None);
        let ranges =
            HashMap::from([("s0", Range { min: Some(2), max: Some(9) }), ("s1", Range { min: Some(4), max: None })]);
        assert_eq!(expr.range(&ranges).to_string(), "5..");
        assert_eq!(Expr::read("Mul(Integer(-1), Symbol('s0'))").range(&ranges), Range::default());
        let huge = Expr::read("Mul(Symbol('s0'), Symbol('s0'))");
        assert_eq!(huge.value(&|_| Some(i64::MAX)), None);
    }
}
