//! Selectors and conditions: what is written looked up, what cannot be read reported.

use std::sync::Arc;

use super::glob::Pattern;
use super::problem::ProblemKind;
use super::quantity;
use super::selector::{Condition, Fact, NumberTerm, Selector};
use super::statement::Reader;
use crate::dtype::DType;
use crate::kind::KindWord;
use crate::syntax::tree::{self, Comparison, Spanned, Term};

impl Reader<'_, '_> {
    /// Reads a selector; what cannot be read is reported and matches nothing.
    pub(super) fn selector(&mut self, written: &tree::Selector) -> Selector {
        match written {
            tree::Selector::Or(a, b) => Selector::Or(Box::new(self.selector(a)), Box::new(self.selector(b))),
            tree::Selector::And(a, b) => Selector::And(Box::new(self.selector(a)), Box::new(self.selector(b))),
            tree::Selector::Not(inner) => match self.selector(&inner.value) {
                // The opposite of what is not known is not known either, and not everything.
                inner if !inner.is_readable() => Selector::Unreadable,
                inner => Selector::Not(Box::new(inner)),
            },
            tree::Selector::Parens(inner) => self.selector(&inner.value),
            tree::Selector::Where(inner, condition) => {
                Selector::Where(Box::new(self.selector(inner)), self.condition(condition))
            }
            tree::Selector::Kind(word) => match KindWord::from_word(&word.value) {
                Some(kind) => Selector::Kind(kind, self.place(word.span)),
                None => {
                    self.problem(word.span, ProblemKind::UnknownKind { word: word.value.clone() });
                    Selector::Unreadable
                }
            },
            tree::Selector::Glob(text) => match Pattern::glob(&text.value) {
                Ok(pattern) => Selector::Name(Arc::new(pattern), text.value.clone(), self.place(text.span)),
                Err(why) => {
                    self.problem(text.span, ProblemKind::BadGlob { why });
                    Selector::Unreadable
                }
            },
            tree::Selector::Regex(text) => match Pattern::regex(&text.value) {
                Ok(pattern) => Selector::Name(Arc::new(pattern), text.value.clone(), self.place(text.span)),
                Err(why) => {
                    self.problem(text.span, ProblemKind::BadRegex { why });
                    Selector::Unreadable
                }
            },
            tree::Selector::Missing(_) => Selector::Unreadable,
        }
    }

    fn condition(&mut self, written: &tree::Condition) -> Condition {
        match written {
            tree::Condition::Or(a, b) => Condition::Or(Box::new(self.condition(a)), Box::new(self.condition(b))),
            tree::Condition::And(a, b) => Condition::And(Box::new(self.condition(a)), Box::new(self.condition(b))),
            tree::Condition::Not(inner) => Condition::Not(Box::new(self.condition(&inner.value))),
            tree::Condition::Parens(inner) => self.condition(&inner.value),
            tree::Condition::Compare { left, operator, right } => self.comparison(left, operator, right),
            tree::Condition::Missing(_) => Condition::Unreadable,
        }
    }

    fn comparison(&mut self, left: &Term, operator: &Spanned<Comparison>, right: &Term) -> Condition {
        let is_word =
            |term: &Term| matches!(term, Term::Word(w) if Fact::WORDS.iter().any(|(word, _)| *word == w.value));
        if is_word(right) && !is_word(left) {
            return self.word_comparison(right, operator, left);
        }
        if is_word(left) {
            return self.word_comparison(left, operator, right);
        }
        let (left, right) = (self.number_term(left), self.number_term(right));
        match (left, right) {
            (Some(left), Some(right)) => Condition::Number(left, operator.value, right),
            _ => Condition::Unreadable,
        }
    }

    /// `dtype == fp16`, `ops != linear`
    fn word_comparison(&mut self, field: &Term, operator: &Spanned<Comparison>, value: &Term) -> Condition {
        let equal = match operator.value {
            Comparison::Equal => true,
            Comparison::NotEqual => false,
            _ => {
                let name = match field {
                    Term::Word(word) => word.value.as_str(),
                    _ => "this",
                };
                let why = format!("`{name}` is a word, which only `==` and `!=` compare");
                self.problem(operator.span, ProblemKind::BadComparison { why });
                return Condition::Unreadable;
            }
        };
        let (Term::Word(field), Term::Word(word) | Term::Text(word)) = (field, value) else {
            if !matches!(value, Term::Missing(_)) {
                let why = "a word is compared with a word: `dtype == fp16` or `ops == linear`".to_string();
                self.problem(value.span(), ProblemKind::BadComparison { why });
            }
            return Condition::Unreadable;
        };
        if field.value == "dtype" {
            let dtypes = DType::NAMES.iter().map(|(dtype, _, name)| (*dtype, *name));
            let dtype = self.choose("dtype", word, dtypes);
            return dtype.map_or(Condition::Unreadable, |dtype| Condition::DType(dtype, equal));
        }
        match KindWord::from_word(&word.value) {
            Some(kind) => Condition::Uses(kind, equal),
            None => {
                self.problem(word.span, ProblemKind::UnknownKind { word: word.value.clone() });
                Condition::Unreadable
            }
        }
    }

    fn number_term(&mut self, term: &Term) -> Option<NumberTerm> {
        match term {
            Term::Word(word) => match Fact::ALL.iter().find(|(_, w, _)| *w == word.value) {
                Some((fact, ..)) => Some(NumberTerm::Fact(*fact)),
                None => {
                    self.problem(word.span, ProblemKind::UnknownField { word: word.value.clone() });
                    None
                }
            },
            Term::Number(number) => {
                let read = quantity::condition(number);
                if read.is_none() {
                    self.bad("the comparison", "a number such as 64, 2k, 1.5M or 12 MB", number.span, None);
                }
                read.map(NumberTerm::Constant)
            }
            Term::Text(text) => {
                let why = "names are matched outside of `where`, and compared with nothing".to_string();
                self.problem(text.span, ProblemKind::BadComparison { why });
                None
            }
            Term::Remainder(a, b) => {
                let (left, right) = (self.number_term(a), self.number_term(b));
                if let Some(NumberTerm::Constant(divisor)) = right
                    && divisor <= 0.0
                {
                    let why = "a remainder needs a divisor above 0".to_string();
                    self.problem(b.span(), ProblemKind::BadComparison { why });
                    return None;
                }
                Some(NumberTerm::Remainder(Box::new(left?), Box::new(right?)))
            }
            Term::Missing(_) => None,
        }
    }
}
