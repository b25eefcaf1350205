//! Whether a program is a valid one: names, operators, and the declared types against those that follow.

use std::collections::HashMap;
use std::fmt;

use crate::formats::shown;

use super::Name;
use super::function::{Function, Opset, Program};
use super::index::{BlockId, Consumer, Index, NameFault, OpId, Path, ValueId};
use super::op::{Binding, Operation};
use super::ops::{BlockTypes, Call, Given, OpError, OpRule, infer, parameters_are_attributes};
use super::types::Type;
use super::value::Blobs;

/// Most dimensions of a tensor, except of constants that only `constexpr_*` use.
pub const MAX_RANK: usize = 5;

/// Something wrong with a program, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The function.
    pub function: Name,
    /// The operation; `None` where it is about the function itself.
    pub operation: Option<Place>,
    /// What is wrong.
    pub fault: CheckFault,
}

/// An operation's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The way to it.
    pub path: Path,
    /// Its operator.
    pub kind: Name,
    /// Its name.
    pub name: Name,
}

/// What can be wrong with a program.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CheckFault {
    /// An operator set that is not known; its operators are checked as those of the newest known one.
    #[error("the operator set `{}` is not known", shown(.0))]
    Opset(Name),
    /// A name.
    #[error("{fault}{}", In(parameter.as_deref()))]
    Name {
        /// The parameter where the name stands.
        parameter: Option<Name>,
        /// What is wrong with it.
        fault: NameFault,
    },
    /// An operation breaks a rule of its operator.
    #[error("{0}")]
    Operator(OpError),
    /// An operation declares more or fewer outputs than its operator has.
    #[error("declares {declared} outputs; the operator has {inferred}")]
    OutputCount {
        /// Declared.
        declared: usize,
        /// What follows from the inputs.
        inferred: usize,
    },
    /// An output is declared with another type than follows.
    #[error("output `{}` is declared as {declared}; from the inputs follows {inferred}", shown(output))]
    OutputType {
        /// The output's name.
        output: Name,
        /// Its declared type.
        declared: Type,
        /// What follows from the inputs.
        inferred: Type,
    },
    /// A tensor of more dimensions than Core ML has. CT:converters/mil/mil/program.py:142-170.
    #[error("output `{}` has {rank} dimensions; Core ML has tensors of at most {MAX_RANK}", shown(output))]
    Rank {
        /// The output's name.
        output: Name,
        /// Its number of dimensions.
        rank: usize,
    },
    /// A compressed constant is handed out of a block, which Core ML cannot do. CT:optimize/coreml/_config.py:1005.
    #[error("`{}` is a compressed constant and cannot be an output of a block", shown(.0))]
    ConstexprOutput(Name),
}

/// The words for a parameter, where there is one.
struct In<'a>(Option<&'a str>);

impl fmt::Display for In<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |parameter| write!(f, " (`{}`)", shown(parameter)))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function `{}`: ", shown(&self.function))?;
        if let Some(place) = &self.operation {
            write!(f, "{} `{}`: ", shown(&place.kind), shown(&place.name))?;
        }
        self.fault.fmt(f)
    }
}

impl CheckFault {
    /// Which rule is broken at an operation, and by which of its parts: the same in every operator set, while the text
    /// names the set and what it accepts.
    pub fn key(&self) -> String {
        match self {
            CheckFault::Opset(set) => format!("set {set}"),
            CheckFault::Name { parameter, fault } => format!("name {parameter:?} {fault:?}"),
            CheckFault::Operator(error) => format!("operator {:?} {:?}", error.rule, error.parameter),
            CheckFault::OutputCount { .. } => "outputs".to_owned(),
            CheckFault::OutputType { output, .. } => format!("type {output}"),
            CheckFault::Rank { output, .. } => format!("rank {output}"),
            CheckFault::ConstexprOutput(output) => format!("constant {output}"),
        }
    }
}

/// Checks every function. The list is empty for a valid program; functions come in the order of their names,
/// operations in the order of the text.
pub fn check(program: &Program, blobs: &dyn Blobs) -> Vec<Problem> {
    program.functions.iter().flat_map(|function| check_function(&Index::new(function), blobs)).collect()
}

/// Checks one function whose names are resolved.
pub fn check_function(index: &Index<'_>, blobs: &dyn Blobs) -> Vec<Problem> {
    let mut checker = Checker::new(index, blobs);
    checker.names();
    for (id, operation) in index.operations() {
        if let Some(inferred) = checker.operation(id, operation) {
            checker.compare(id, operation, inferred);
        }
        checker.ranks(id, operation);
    }
    checker.outputs();
    checker.problems
}

/// The types of each operation's outputs, as they follow from the declared types of its inputs. `None` for
/// operators that are not in the table, and for operations that break a rule.
pub fn inferred(index: &Index<'_>, blobs: &dyn Blobs) -> Vec<Option<Vec<Type>>> {
    let mut checker = Checker::new(index, blobs);
    index.operations().map(|(id, operation)| checker.operation(id, operation)).collect()
}

/// The operator set whose rules hold for a function: its own, or the newest where its own is not known.
pub fn rules_of(function: &Function) -> Opset {
    function.set().unwrap_or(Opset::ALL[Opset::ALL.len() - 1])
}

/// For every value whether it is the same in every run: stored, or computed from stored ones alone.
pub fn constants(index: &Index<'_>) -> Vec<bool> {
    let mut constant = vec![false; index.values().len()];
    index.operations().for_each(|(id, operation)| mark(index, id, operation, &mut constant));
    constant
}

/// Marks the outputs of an operation whose inputs are marked.
fn mark(index: &Index<'_>, id: OpId, operation: &Operation, constant: &mut [bool]) {
    let mut bound = index.bound(id).iter();
    let mut bindings = operation.inputs.iter().flat_map(|input| &input.bindings);
    let all = bindings.all(|binding| {
        let value = bound.next().copied().flatten();
        match binding {
            Binding::Literal(_) => true,
            Binding::Value(_) => value.is_some_and(|value| constant[value.0 as usize]),
        }
    });
    let stored = operation.is_const() || operation.is_constexpr();
    let random = operation.kind.starts_with("random_");
    let computed = all && !operation.inputs.is_empty() && operation.blocks.is_empty() && !random;
    if stored || computed {
        for output in 0..operation.outputs.len() {
            if let Some(ValueId(value)) = index.output(id, output) {
                constant[value as usize] = true;
            }
        }
    }
}

struct Checker<'i, 'f> {
    index: &'i Index<'f>,
    blobs: &'i dyn Blobs,
    set: Opset,
    constant: Vec<bool>,
    /// The nested blocks of each operation that has some, in order.
    nested: HashMap<OpId, Vec<BlockId>>,
    problems: Vec<Problem>,
}

impl<'i, 'f> Checker<'i, 'f> {
    fn new(index: &'i Index<'f>, blobs: &'i dyn Blobs) -> Self {
        let mut nested: HashMap<OpId, Vec<BlockId>> = HashMap::new();
        for (block, _) in index.blocks() {
            if let Some((owner, _)) = index.owner(block) {
                nested.entry(owner).or_default().push(block);
            }
        }
        let set = rules_of(index.function());
        Self { index, blobs, set, constant: vec![false; index.values().len()], nested, problems: Vec::new() }
    }

    fn report(&mut self, operation: Option<OpId>, fault: CheckFault) {
        let operation = operation.map(|id| {
            let operation = self.index.operation(id);
            Place { path: self.index.path(id), kind: operation.kind.clone(), name: operation.name.clone() }
        });
        self.problems.push(Problem { function: self.index.function().name.clone(), operation, fault });
    }

    fn names(&mut self) {
        let function = self.index.function();
        if function.set().is_none() {
            self.report(None, CheckFault::Opset(function.opset.clone()));
        }
        for error in self.index.errors() {
            let fault = CheckFault::Name { parameter: error.parameter.clone(), fault: error.fault.clone() };
            self.report(error.operation, fault);
        }
    }

    fn operation(&mut self, id: OpId, operation: &'f Operation) -> Option<Vec<Type>> {
        mark(self.index, id, operation, &mut self.constant);
        let call = self.call(id, operation)?;
        match infer(&operation.kind, &call) {
            Ok(inferred) => inferred,
            Err(errors) => {
                for error in errors {
                    self.report(Some(id), CheckFault::Operator(error));
                }
                None
            }
        }
    }

    /// The operation as its rule sees it. `None` where an input is not defined, or stands in the wrong place:
    /// what follows from it is unknown, and the fault itself is reported.
    fn call(&mut self, id: OpId, operation: &'f Operation) -> Option<Call<'i>>
    where
        'f: 'i,
    {
        let mut arguments = Vec::with_capacity(operation.inputs.len() + operation.attributes.len());
        let mut bound = self.index.bound(id).iter();
        for input in &operation.inputs {
            let mut given = Vec::with_capacity(input.bindings.len());
            for binding in &input.bindings {
                let value = bound.next().copied().flatten();
                given.push(match binding {
                    Binding::Literal(literal) => Given { ty: &literal.ty, constant: true, literal: Some(literal) },
                    Binding::Value(_) => self.given(value?),
                });
            }
            arguments.push((&*input.parameter, given));
        }
        for attribute in &operation.attributes {
            let literal = &attribute.value;
            arguments.push((&*attribute.name, vec![Given { ty: &literal.ty, constant: true, literal: Some(literal) }]));
        }
        if super::ops::operator(&operation.kind).is_some() && !self.placed(id, operation) {
            return None;
        }
        let nested = self.nested.get(&id).map_or(&[][..], |blocks| blocks);
        let blocks = nested.iter().map(|block| self.block_types(*block)).collect();
        Some(Call { set: self.set, arguments, blocks, outputs: operation.outputs.len(), blobs: self.blobs })
    }

    fn given(&self, value: ValueId) -> Given<'i>
    where
        'f: 'i,
    {
        let literal = match self.index.producing(value) {
            Some((_, producer)) if producer.is_const() => producer.attribute("val"),
            _ => None,
        };
        Given { ty: self.index.ty(value), constant: self.constant[value.0 as usize], literal }
    }

    /// Whether parameters stand where the operator set looks for them.
    fn placed(&mut self, id: OpId, operation: &Operation) -> bool {
        let attributes = parameters_are_attributes(&operation.kind, self.set);
        let (misplaced, message) = match attributes {
            true => (
                operation.inputs.first().map(|input| input.parameter.clone()),
                format!("is an input; in {} it must be an attribute", self.set),
            ),
            false => (
                operation.attributes.first().map(|attribute| attribute.name.clone()),
                format!("is an attribute; in {} it must be an input", self.set),
            ),
        };
        let Some(parameter) = misplaced else { return true };
        let parameter = Some(std::borrow::Cow::Owned(parameter.to_string()));
        self.report(Some(id), CheckFault::Operator(OpError { rule: OpRule::Parameter, parameter, message }));
        false
    }

    fn block_types(&self, block: BlockId) -> BlockTypes<'i>
    where
        'f: 'i,
    {
        let inputs = self.index.block(block).inputs.iter().map(|input| &input.ty).collect();
        let outputs = self.index.block_outputs(block).iter();
        BlockTypes { inputs, outputs: outputs.map(|value| value.map(|value| self.index.ty(value))).collect() }
    }

    fn compare(&mut self, id: OpId, operation: &Operation, inferred: Vec<Type>) {
        if inferred.len() != operation.outputs.len() {
            let fault = CheckFault::OutputCount { declared: operation.outputs.len(), inferred: inferred.len() };
            return self.report(Some(id), fault);
        }
        for (output, inferred) in operation.outputs.iter().zip(inferred) {
            if !output.ty.agrees(&inferred) {
                let (output, declared) = (output.name.clone(), output.ty.clone());
                self.report(Some(id), CheckFault::OutputType { output, declared, inferred });
            }
        }
    }

    /// Tensors have few dimensions, unless only `constexpr_*` see them.
    fn ranks(&mut self, id: OpId, operation: &Operation) {
        let index = self.index;
        for (i, output) in operation.outputs.iter().enumerate() {
            let Some(rank) = output.ty.as_tensor().and_then(|tensor| tensor.rank()).filter(|rank| *rank > MAX_RANK)
            else {
                continue;
            };
            let compressed = |consumer: &Consumer| match consumer {
                Consumer::Operation { operation, .. } => index.operation(*operation).is_constexpr(),
                Consumer::Output { .. } => false,
            };
            let consumers = index.output(id, i).map_or(&[][..], |value| index.consumers(value));
            if (operation.is_const() || operation.is_constexpr()) && consumers.iter().all(compressed) {
                continue;
            }
            self.report(Some(id), CheckFault::Rank { output: output.name.clone(), rank });
        }
    }

    /// No block hands out a compressed constant.
    fn outputs(&mut self) {
        for (block, _) in self.index.blocks() {
            let index = self.index;
            for value in index.block_outputs(block).iter().flatten() {
                if let Some((producer, operation)) = index.producing(*value)
                    && operation.is_constexpr()
                {
                    self.report(Some(producer), CheckFault::ConstexprOutput(index.name(*value).clone()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
