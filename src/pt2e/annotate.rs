//! What each operation says of the values that it takes and gives.

use super::Spec;
use super::graph::View;
use super::pattern::{Match, Pattern, patterns};
use crate::graph::aten::{Argument, Node, Program, ValueId};

/// Which operations are treated how.
pub struct Passes<'p> {
    /// How: `None` leaves activations in float, whatever becomes of weights. Passes are gone through from the first to
    /// the last: as upstream goes from names over types to what holds for all.
    pub specs: Vec<Option<Spec>>,
    /// The pass of an operation by its index in the graph; `None` for operations that nothing is said about.
    pub of: &'p dyn Fn(usize) -> Option<usize>,
    /// Whether a stored tensor may become codes where `add`, `mul` or `matmul` take it: not where it has become some as
    /// a weight.
    pub operands: &'p dyn Fn(ValueId) -> bool,
}

/// How a value becomes codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// With parameters of its own.
    Own(Spec),
    /// With those of another value.
    As(ValueId),
}

/// What an operation says of the values that it takes and gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotation {
    /// Values that it takes, each once; `None` where they stay in float.
    pub inputs: Vec<(ValueId, Option<How>)>,
    /// What it gives, with what is folded into it; `None` where that stays in float.
    pub output: Option<How>,
}

/// Annotates the operations of a program: one for each, in order; `None` for those that are in no pattern.
pub fn annotate(program: &Program, passes: &Passes<'_>) -> Vec<Option<Annotation>> {
    Annotator::new(&View::new(program, passes.operands), passes).run()
}

pub(super) struct Annotator<'v, 'a> {
    view: &'v View<'a>,
    specs: &'v [Option<Spec>],
    /// The pass of each operation.
    passes: Vec<Option<usize>>,
    all: Vec<Option<Annotation>>,
}

impl<'v, 'a> Annotator<'v, 'a> {
    pub(super) fn new(view: &'v View<'a>, passes: &'v Passes<'v>) -> Self {
        let count = view.graph().nodes.len();
        let of = (0..count).map(|index| (passes.of)(index).filter(|pass| *pass < passes.specs.len())).collect();
        Self { view, specs: &passes.specs, passes: of, all: vec![None; count] }
    }

    pub(super) fn run(mut self) -> Vec<Option<Annotation>> {
        // What fits does not depend on what was said before, so each pattern is looked for once.
        let mut matches: Vec<Vec<(Pattern, Match)>> = vec![Vec::new(); self.specs.len()];
        for pattern in patterns() {
            for (index, pass) in self.passes.iter().enumerate() {
                if let Some((pass, found)) = pass.zip(pattern.fits(self.view, index)) {
                    matches[pass].push((pattern, found));
                }
            }
        }
        for (pass, (matches, spec)) in matches.into_iter().zip(self.specs).enumerate() {
            matches.into_iter().for_each(|(pattern, found)| self.matched(pattern, found, pass, *spec));
        }
        self.all
    }

    fn matched(&mut self, pattern: Pattern, found: Match, pass: usize, spec: Option<Spec>) {
        let index = found.operation;
        if self.all[index].is_some() {
            return;
        }
        match pattern {
            Pattern::Weighted { .. } => self.weighted(found, spec),
            Pattern::Binary { .. } => {
                // Both are one: where the function is spoken for, or is not meant, the operator waits for its own turn.
                let last = found.last;
                if last.is_none_or(|last| self.all[last].is_none() && self.passes[last] == Some(pass)) {
                    self.binary(found, spec);
                }
            }
            Pattern::Shared(_) => self.shared(index, spec),
        }
    }

    /// What is said of a value already, by the operation that gives it: `None` where nothing is.
    fn told(&self, value: ValueId) -> Option<Option<How>> {
        let producer = self.view.producer(value)?;
        self.all[producer].as_ref().map(|annotation| annotation.output)
    }

    fn weighted(&mut self, found: Match, spec: Option<Spec>) {
        let own = spec.map(How::Own);
        let input = self.view.taken(found.operation).map(|input| {
            // A linear layer that was taken apart takes rows: what is told of the value that they are of holds.
            let of = if self.view.is_apart(found.operation) { self.view.source(input) } else { input };
            match self.told(of) {
                Some(told) if of == input => (input, told),
                Some(_) => (input, None),
                None => (input, own),
            }
        });
        let inputs = input.into_iter().collect();
        match found.last {
            None => self.all[found.operation] = Some(Annotation { inputs, output: own }),
            Some(last) => {
                self.all[found.operation] = Some(Annotation { inputs, output: None });
                if self.all[last].is_none() {
                    let output = spec.map(|spec| How::Own(behind(self.view.node(last), spec)));
                    self.all[last] = Some(Annotation { inputs: Vec::new(), output });
                }
            }
        }
    }

    fn binary(&mut self, found: Match, spec: Option<Spec>) {
        let node = self.view.node(found.operation);
        let own = spec.map(How::Own);
        let mut inputs: Vec<(ValueId, Option<How>)> = Vec::new();
        for name in ["self", "input", "other", "mat2"] {
            if let Some(value) = node.argument(name).and_then(Argument::value)
                && !inputs.iter().any(|(known, _)| *known == value)
            {
                inputs.push((value, own));
            }
        }
        match found.last {
            None => self.all[found.operation] = Some(Annotation { inputs, output: own }),
            Some(last) => {
                self.all[found.operation] = Some(Annotation { inputs, output: None });
                let output = spec.map(|spec| How::Own(behind(self.view.node(last), spec)));
                self.all[last] = Some(Annotation { inputs: Vec::new(), output });
            }
        }
    }

    /// Input and output have the codes of the input, where that has some.
    fn shared(&mut self, index: usize, spec: Option<Spec>) {
        let node = self.view.node(index);
        let taken = node.arguments.first().and_then(|(_, argument)| argument.value());
        let Some(input) = taken.filter(|input| spec.is_some() && matches!(self.told(*input), Some(Some(_)))) else {
            return;
        };
        let same = Some(How::As(input));
        self.all[index] = Some(Annotation { inputs: vec![(input, same)], output: same });
    }
}

/// How the values behind a function become codes: what is never negative uses all codes for what is positive.
fn behind(node: &Node, spec: Spec) -> Spec {
    let number = |name: &str, default: f64| match node.argument(name) {
        Some(Argument::Int(value)) => *value as f64,
        Some(Argument::Float(value)) => *value,
        _ => default,
    };
    let name = &*node.operator.name;
    match name.strip_suffix('_').unwrap_or(name) {
        "relu" | "relu6" | "sigmoid" | "hardsigmoid" => Spec { symmetric: false, ..spec },
        // What relu6 is in graphs.
        "hardtanh" if number("min_val", -1.0) == 0.0 && number("max_val", 1.0) == 6.0 => {
            Spec { symmetric: false, ..spec }
        }
        "tanh" => Spec { symmetric: true, ..spec },
        _ => spec,
    }
}
