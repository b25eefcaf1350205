//! One run: values in slots, dropped after their last use.

use std::sync::atomic::{AtomicBool, Ordering};

use super::constants::Table;
use super::error::{ExecError, Fault};
use super::executable::States;
use super::ops::Args;
use super::plan::{Action, Plan, Prepared, Source, Step};
use super::tensor::{Data, Tensor};
use super::value::{Value, read};
use crate::graph::ops::{Call, Given, infer};
use crate::graph::{Literal, Name, NoBlobs, TensorType, Type};

/// A value that was just made.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'o> {
    /// The value's name.
    pub name: &'o Name,
    /// The operator that made it; `input` for inputs of the function.
    pub kind: &'o str,
    /// The operation's name; empty for inputs of the function.
    pub operation: &'o str,
    /// The value.
    pub value: &'o Tensor,
}

/// Sees the values of a run, and may replace them.
pub trait Observer {
    /// Called for each input of the function, then for each output of each operation, in the order in which they are
    /// made; constants are not among them. What it gives back takes the value's place and must be of its type.
    ///
    /// # Errors
    /// A sentence that ends the run.
    fn observe(&mut self, observed: Observed<'_>) -> Result<Option<Tensor>, String>;
}

/// What goes along with a run. The default is none of it.
#[derive(Default)]
pub struct Session<'s> {
    /// Ends the run soon after it is set.
    pub cancel: Option<&'s AtomicBool>,
    /// Told how many operations are done, of how many.
    pub progress: Option<&'s dyn Fn(usize, usize)>,
    /// Sees the values.
    pub observer: Option<&'s mut dyn Observer>,
    /// What states hold before and after the run; without it they begin with zeros.
    pub states: Option<&'s mut States>,
}

/// Rounds after which a loop is given up.
const MAX_ROUNDS: u64 = 1 << 24;

/// Most elements of a computed value that shape rules read: sizes and positions are short.
const READABLE: usize = 64;

/// The values of a run.
pub(super) struct Env<'e, 's> {
    program: &'e Prepared,
    constants: &'e Table,
    slots: Vec<Option<Value>>,
    session: &'e mut Session<'s>,
    states: States,
    /// Bytes that the values in slots take.
    live: u64,
    memory: u64,
}

/// Checks that there is memory for a value beside what there is.
pub(super) fn check_memory(ty: &TensorType, live: u64, limit: u64) -> Result<(), Fault> {
    if ty.sizes().is_none() {
        return Ok(());
    }
    // Floats of every width are held in four bytes.
    let known = ty.sizes().unwrap_or_default().into_iter().map(|size| usize::try_from(size).ok()).collect();
    let count = Option::<Vec<usize>>::and_then(known, |sizes| super::tensor::count(&sizes));
    let bytes = count.map_or(u64::MAX, |count| count as u64 * 4);
    let needed = live.saturating_add(bytes);
    if needed <= limit {
        return Ok(());
    }
    Err(Fault::Memory { needed, limit, element: ty.element, shape: ty.shape.clone() })
}

impl<'e, 's> Env<'e, 's> {
    pub(super) fn new(program: &'e Prepared, constants: &'e Table, session: &'e mut Session<'s>, memory: u64) -> Self {
        Self {
            program,
            constants,
            slots: vec![None; program.slots],
            session,
            states: States::default(),
            live: 0,
            memory,
        }
    }

    /// Runs the function on its inputs, and gives its outputs in their order.
    pub(super) fn run(mut self, inputs: Vec<Value>) -> Result<Vec<(Name, Tensor)>, ExecError> {
        if let Some(states) = &mut self.session.states {
            self.states = std::mem::take(*states);
        }
        let result = self.function(inputs);
        if let Some(states) = &mut self.session.states {
            **states = std::mem::take(&mut self.states);
        }
        result
    }

    fn function(&mut self, inputs: Vec<Value>) -> Result<Vec<(Name, Tensor)>, ExecError> {
        let program = self.program;
        self.states.set_up(&program.inputs, self.memory)?;
        for ((value, slot), named) in inputs.into_iter().zip(&program.main.inputs).zip(&program.inputs) {
            let value = match value {
                Value::Tensor(tensor) => Value::Tensor(
                    self.observed(&named.name, "input", "", tensor)
                        .map_err(|fault| self.fault_of_input(&named.name, fault))?,
                ),
                other => other,
            };
            self.put(*slot, value);
        }
        let total = program.main.steps.len();
        for (done, step) in program.main.steps.iter().enumerate() {
            if let Some(progress) = self.session.progress {
                progress(done, total);
            }
            self.step(step)?;
        }
        if let Some(progress) = self.session.progress {
            progress(total, total);
        }
        let pairs = program.main.outputs.iter().zip(&program.outputs);
        pairs
            .map(|(slot, (name, _))| match self.value(*slot) {
                Some(Value::Tensor(tensor)) => Ok((name.clone(), tensor)),
                _ => Err(self.fault_of_input(name, Fault::Unbound(name.clone()))),
            })
            .collect()
    }

    /// A fault outside of any operation.
    fn fault_of_input(&self, name: &Name, fault: Fault) -> ExecError {
        let path = crate::graph::index::Path { function: self.program.function.clone(), through: Vec::new(), index: 0 };
        let place = crate::graph::check::Place { path, kind: "value".into(), name: name.clone() };
        ExecError::Operation { place: Box::new(place), inputs: Vec::new(), fault }
    }

    /// What a slot holds.
    pub(super) fn value(&self, slot: usize) -> Option<Value> {
        match self.constants.get(slot) {
            Some(Some(known)) => Some(known.value.clone()),
            _ => self.slots.get(slot).cloned().flatten(),
        }
    }

    fn put(&mut self, slot: usize, value: Value) {
        self.live = self.live.saturating_add(value.bytes());
        self.drop_slot(slot);
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(value);
        }
    }

    fn drop_slot(&mut self, slot: usize) {
        if let Some(old) = self.slots.get_mut(slot).and_then(Option::take) {
            self.live = self.live.saturating_sub(old.bytes());
        }
    }

    fn observed(&mut self, name: &Name, kind: &str, operation: &str, value: Tensor) -> Result<Tensor, Fault> {
        let Some(observer) = &mut self.session.observer else { return Ok(value) };
        let seen = observer.observe(Observed { name, kind, operation, value: &value }).map_err(Fault::Observer)?;
        match seen {
            Some(other) if other.ty() != value.ty() => {
                Err(Fault::Replaced { name: name.clone(), wanted: value.ty().into(), found: other.ty().into() })
            }
            Some(other) => Ok(other),
            None => Ok(value),
        }
    }

    /// Computes one operation.
    pub(super) fn step(&mut self, step: &Step) -> Result<(), ExecError> {
        if self.session.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Err(ExecError::Cancelled);
        }
        let fault = |inputs: Vec<(Name, Type)>, fault| ExecError::Operation {
            place: Box::new(step.place.clone()),
            inputs,
            fault,
        };
        let inputs = self.inputs(step).map_err(|error| fault(Vec::new(), error))?;
        match step.action {
            Action::Kernel(kernel) => {
                let types = || inputs.types();
                let outputs = self.infer(step, &inputs).map_err(|error| fault(types(), error))?;
                for output in &outputs {
                    check_memory(output, self.live, self.memory).map_err(|error| fault(types(), error))?;
                }
                let shown = inputs.types();
                // Values that end here belong to the kernel alone, so it may change them in place.
                step.last.iter().for_each(|slot| self.drop_slot(*slot));
                let mut args = inputs.into_args(step, outputs);
                args.memory = self.memory.saturating_sub(self.live);
                let results = kernel(&mut args).and_then(|results| checked(step, &args.outputs, results));
                let results = results.map_err(|error| fault(shown.clone(), error))?;
                self.finish(step, results.into_iter().map(Value::Tensor).collect()).map_err(|error| fault(shown, error))
            }
            Action::ReadState => {
                let state = inputs.first_state().and_then(|state| self.states.get(state).cloned());
                let state = state.ok_or_else(|| fault(Vec::new(), Fault::Unbound("input".into())))?;
                self.end(step);
                self.finish(step, vec![Value::Tensor(state)]).map_err(|error| fault(Vec::new(), error))
            }
            Action::WriteState => self.write_state(step, &inputs).map_err(|error| fault(inputs.types(), error)),
            Action::Cond => {
                let pred = inputs.values.iter().flatten().find_map(|(value, _)| value.tensor()?.as_bools()?.first());
                let Some(pred) = pred.copied() else {
                    return Err(fault(inputs.types(), Fault::Unbound("pred".into())));
                };
                let results = match step.blocks.get(usize::from(!pred)) {
                    Some(plan) => self.block(plan, Vec::new())?,
                    None => Vec::new(),
                };
                self.end(step);
                self.finish(step, results).map_err(|error| fault(Vec::new(), error))
            }
            Action::Loop => {
                let variables = inputs.values.into_iter().flatten().map(|(value, _)| value).collect();
                let results = self.repeat(step, variables)?;
                self.end(step);
                self.finish(step, results).map_err(|error| fault(Vec::new(), error))
            }
        }
    }

    fn write_state(&mut self, step: &Step, inputs: &Inputs<'_>) -> Result<(), Fault> {
        let data = inputs.values.iter().flatten().find_map(|(value, _)| value.tensor().cloned());
        let (Some(state), Some(data)) = (inputs.first_state(), data) else {
            return Err(Fault::Unbound("data".into()));
        };
        self.states.set(state, data.clone())?;
        self.end(step);
        self.finish(step, step.outputs.iter().map(|_| Value::Tensor(data.clone())).collect())
    }

    fn end(&mut self, step: &Step) {
        step.last.iter().for_each(|slot| self.drop_slot(*slot));
    }

    /// Shows the results to the observer and puts them into their slots.
    fn finish(&mut self, step: &Step, results: Vec<Value>) -> Result<(), Fault> {
        for (output, value) in step.outputs.iter().zip(results) {
            let value = match value {
                Value::Tensor(tensor) if self.session.observer.is_some() => {
                    Value::Tensor(self.observed(&output.name, &step.place.kind, &step.place.name, tensor)?)
                }
                other => other,
            };
            if output.used {
                self.put(output.slot, value);
            }
        }
        Ok(())
    }

    /// Runs a nested block, and gives what it hands out.
    fn block(&mut self, plan: &Plan, inputs: Vec<Value>) -> Result<Vec<Value>, ExecError> {
        for (slot, value) in plan.inputs.iter().zip(inputs) {
            self.put(*slot, value);
        }
        for step in &plan.steps {
            self.step(step)?;
        }
        let outputs = plan.outputs.iter().map(|slot| {
            self.value(*slot).ok_or_else(|| self.fault_of_input(&"".into(), Fault::Unbound("output".into())))
        });
        outputs.collect()
    }

    /// Block 0 decides whether to go on, block 1 is the body.
    fn repeat(&mut self, step: &Step, mut variables: Vec<Value>) -> Result<Vec<Value>, ExecError> {
        let fault = |fault| ExecError::Operation { place: Box::new(step.place.clone()), inputs: Vec::new(), fault };
        let [condition, body] = &step.blocks[..] else {
            return Err(fault(Fault::Unbound("body".into())));
        };
        for _ in 0..MAX_ROUNDS {
            if self.session.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
                return Err(ExecError::Cancelled);
            }
            let goes_on = self.block(condition, variables.clone())?;
            match goes_on.first().and_then(|value| value.tensor()?.as_bools()?.first()) {
                Some(true) => variables = self.block(body, variables)?,
                Some(false) => return Ok(variables),
                None => return Err(fault(Fault::Unbound("cond".into()))),
            }
        }
        Err(fault(Fault::Endless(MAX_ROUNDS)))
    }

    /// What is bound to the parameters of an operation.
    fn inputs<'p>(&self, step: &'p Step) -> Result<Inputs<'p>, Fault> {
        let mut inputs = Inputs { names: Vec::new(), values: Vec::new() };
        for argument in &step.arguments {
            let mut values = Vec::with_capacity(argument.sources.len());
            for source in &argument.sources {
                values.push(match source {
                    Source::Literal(literal) => {
                        let value = read(literal, &NoBlobs).ok_or(Fault::Unreadable)??;
                        (value, Written { constant: true, literal: Some(literal.clone()) })
                    }
                    Source::Slot(slot) => {
                        let value = self.value(*slot).ok_or_else(|| Fault::Unbound(argument.parameter.clone()))?;
                        let literal = match self.constants.get(*slot) {
                            Some(Some(known)) if known.literal.is_some() => known.literal.clone(),
                            _ => value.tensor().and_then(written),
                        };
                        (value, Written { constant: self.program.constant[*slot], literal })
                    }
                });
            }
            inputs.names.push(&argument.parameter);
            inputs.values.push(values);
        }
        Ok(inputs)
    }

    /// The types of the outputs by the operator's rule, applied to the actual inputs.
    fn infer(&self, step: &Step, inputs: &Inputs<'_>) -> Result<Vec<TensorType>, Fault> {
        let types: Vec<Vec<Type>> = inputs.values.iter().map(|values| values.iter().map(type_of).collect()).collect();
        let arguments = inputs.names.iter().zip(&inputs.values).zip(&types).map(|((name, values), types)| {
            let given = values.iter().zip(types).map(|((_, written), ty)| Given {
                ty,
                constant: written.constant,
                literal: written.literal.as_ref(),
            });
            (&***name, given.collect())
        });
        let call = Call {
            set: self.program.set,
            arguments: arguments.collect(),
            blocks: Vec::new(),
            outputs: step.outputs.len(),
            blobs: &NoBlobs,
        };
        match infer(&step.place.kind, &call) {
            Ok(Some(types)) => Ok(types.into_iter().filter_map(|ty| ty.as_tensor().cloned()).collect()),
            Ok(None) => Ok(Vec::new()),
            Err(mut errors) => Err(errors.swap_remove(0).into()),
        }
    }
}

/// How a value is written where a shape rule may read it.
struct Written {
    constant: bool,
    literal: Option<Literal>,
}

/// What is bound to the parameters of an operation, parameter by parameter.
struct Inputs<'p> {
    names: Vec<&'p Name>,
    values: Vec<Vec<(Value, Written)>>,
}

fn type_of((value, written): &(Value, Written)) -> Type {
    match (value, &written.literal) {
        (Value::Tensor(tensor), _) => tensor.ty().into(),
        (Value::Other(ty), _) => ty.clone(),
        (_, Some(literal)) => literal.ty.clone(),
        (Value::Text(_), None) => Type::scalar(crate::graph::ElementType::String),
        (Value::State(_), None) => Type::State(Box::new(Type::Tuple(Vec::new()))),
    }
}

/// Short integers and single floats as they would be written in a program.
fn written(tensor: &Tensor) -> Option<Literal> {
    let readable = match tensor.data() {
        Data::Floats(values) => values.len() == 1,
        other => other.len() <= READABLE,
    };
    readable.then(|| Literal::bytes(tensor.ty(), tensor.to_bytes()))
}

impl<'p> Inputs<'p> {
    fn types(&self) -> Vec<(Name, Type)> {
        let pairs = self.names.iter().zip(&self.values);
        pairs.flat_map(|(name, values)| values.iter().map(|value| ((*name).clone(), type_of(value)))).collect()
    }

    fn first_state(&self) -> Option<usize> {
        self.values.iter().flatten().find_map(|(value, _)| match value {
            Value::State(state) => Some(*state),
            _ => None,
        })
    }

    fn into_args(self, step: &'p Step, outputs: Vec<TensorType>) -> Args<'p> {
        let values = self.values.into_iter().map(|values| values.into_iter().map(|(value, _)| value).collect());
        let inputs = self.names.into_iter().map(|name| &**name).zip(values).collect();
        Args { kind: &step.place.kind, inputs, outputs, memory: 0 }
    }
}

/// Results are as many as declared, and of the types that follow and that are declared.
fn checked(step: &Step, inferred: &[TensorType], results: Vec<Tensor>) -> Result<Vec<Tensor>, Fault> {
    let declared = |output: &super::plan::Output, found: Type| Fault::Declared {
        output: output.name.clone(),
        declared: output.ty.clone(),
        found,
    };
    for (i, output) in step.outputs.iter().enumerate() {
        let Some(result) = results.get(i) else { return Err(declared(output, Type::Tuple(Vec::new()))) };
        let ty = Type::from(result.ty());
        let follows = inferred.get(i).is_none_or(|inferred| inferred.agrees(&result.ty()));
        if !output.ty.agrees(&ty) || !follows {
            return Err(declared(output, ty));
        }
    }
    Ok(results)
}
