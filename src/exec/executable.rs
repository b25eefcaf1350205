//! Functions made ready to run.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::constants::{Table, compute};
use super::error::{ExecError, Fault};
use super::plan::{Prepared, Stored, prepare};
use super::run::{Env, Session, check_memory};
use super::tensor::{Data, Kind, Tensor};
use super::value::{Value, sizes};
use crate::graph::{Blobs, Name, NamedType, Program, TensorType, Type};

/// Bytes that the values of a run may take together, unless something else is said.
pub const DEFAULT_MEMORY: u64 = 8 << 30;

/// A function made ready to run. Runs may go on side by side; they share the constants.
pub struct Executable {
    program: Arc<Prepared>,
    replaced: HashMap<usize, Tensor>,
    /// The constants without those that are replaced.
    base: Option<Arc<Table>>,
    constants: OnceLock<Result<Arc<Table>, ExecError>>,
    memory: u64,
}

impl fmt::Debug for Executable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executable").field("function", &self.program.function).finish_non_exhaustive()
    }
}

impl Executable {
    /// Makes a function ready. Constants are read and decompressed before the first run, each once.
    ///
    /// # Errors
    /// If there is no such function, its names mean nothing, or operators cannot be run: all of them at once.
    pub fn new(program: &Program, function: &str, blobs: &dyn Blobs) -> Result<Self, ExecError> {
        let found = program.function(function).ok_or_else(|| ExecError::Function(function.to_owned()))?;
        Ok(Self {
            program: Arc::new(prepare(found, blobs)?),
            replaced: HashMap::new(),
            base: None,
            constants: OnceLock::new(),
            memory: DEFAULT_MEMORY,
        })
    }

    /// Whether an operator can be run. `const` and the compressed constants are none that run.
    pub fn runs(kind: &str) -> bool {
        super::plan::action(kind).is_some()
    }

    /// The same with another limit of the bytes that values of a run may take together.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// The same function with other values for some of its constants, by their names. The other constants are shared
    /// where they were read already.
    ///
    /// # Errors
    /// If there is no constant of a name, or it is of another type.
    pub fn with_constants(&self, values: impl IntoIterator<Item = (String, Tensor)>) -> Result<Self, ExecError> {
        let mut replaced = self.replaced.clone();
        for (name, tensor) in values {
            match self.constant_slot(&name) {
                Some((slot, ty)) if ty.agrees(&tensor.ty()) => replaced.insert(slot, tensor),
                _ => return Err(ExecError::NoConstant { name, ty: tensor.ty().into() }),
            };
        }
        let own = || self.constants.get()?.as_ref().ok().cloned();
        let base = self.base.clone().or_else(|| own().filter(|_| self.replaced.is_empty()));
        let program = self.program.clone();
        Ok(Self { program, replaced, base, constants: OnceLock::new(), memory: self.memory })
    }

    fn constant_slot(&self, name: &str) -> Option<(usize, TensorType)> {
        self.program.stored.iter().find_map(|entry| match entry {
            Stored::Literal { slot, name: own, literal, .. } if &**own == name => {
                Some((*slot, literal.ty.as_tensor()?.clone()))
            }
            Stored::Compressed { outputs, .. } => {
                let (slot, _, ty) = outputs.iter().find(|(_, own, _)| &**own == name)?;
                Some((*slot, ty.clone()))
            }
            Stored::Computed(step) => {
                let output = step.outputs.iter().find(|output| &*output.name == name)?;
                Some((output.slot, output.ty.as_tensor()?.clone()))
            }
            _ => None,
        })
    }

    /// The inputs that a run needs, with their declared types.
    pub fn inputs(&self) -> impl Iterator<Item = &NamedType> {
        self.program.inputs.iter().filter(|input| !matches!(input.ty, Type::State(_)))
    }

    /// The outputs of a run with their declared types, in order.
    pub fn outputs(&self) -> impl Iterator<Item = (&Name, &Type)> {
        self.program.outputs.iter().map(|(name, ty)| (name, ty))
    }

    /// The value of a constant by its name: decompressed or computed, replaced if it was. `None` for names of no
    /// constant, and for those that no operation uses.
    ///
    /// # Errors
    /// If the constants cannot be computed.
    pub fn constant(&self, name: &str) -> Result<Option<Tensor>, ExecError> {
        let Some((slot, _)) = self.constant_slot(name) else { return Ok(None) };
        Ok(self.constants()?[slot].as_ref().and_then(|known| known.value.tensor().cloned()))
    }

    fn constants(&self) -> Result<&Arc<Table>, ExecError> {
        let made = self
            .constants
            .get_or_init(|| compute(&self.program, &self.replaced, self.base.as_deref(), self.memory).map(Arc::new));
        made.as_ref().map_err(Clone::clone)
    }

    /// Runs the function.
    ///
    /// # Errors
    /// If an input is missing, unknown or of another type, or an operation cannot be computed.
    pub fn run<'n>(
        &self,
        inputs: impl IntoIterator<Item = (&'n str, Tensor)>,
    ) -> Result<Vec<(Name, Tensor)>, ExecError> {
        self.run_with(inputs, &mut Session::default())
    }

    /// Runs the function with what a session brings: a flag to cancel, progress, an observer, states.
    ///
    /// # Errors
    /// As [`Executable::run`]; if it is cancelled, or the observer ends it.
    pub fn run_with<'n>(
        &self,
        inputs: impl IntoIterator<Item = (&'n str, Tensor)>,
        session: &mut Session<'_>,
    ) -> Result<Vec<(Name, Tensor)>, ExecError> {
        let inputs = self.bind(inputs)?;
        let constants = self.constants()?.clone();
        Env::new(&self.program, &constants, session, self.memory).run(inputs)
    }

    /// The inputs in the order of the function's.
    fn bind<'n>(&self, given: impl IntoIterator<Item = (&'n str, Tensor)>) -> Result<Vec<Value>, ExecError> {
        let mut given: BTreeMap<&str, Tensor> = given.into_iter().collect();
        let mut values = Vec::with_capacity(self.program.inputs.len());
        let mut states = 0;
        for input in &self.program.inputs {
            if matches!(input.ty, Type::State(_)) {
                values.push(Value::State(states));
                states += 1;
                continue;
            }
            let Some(tensor) = given.remove(&*input.name) else {
                return Err(ExecError::InputMissing { name: input.name.clone(), ty: input.ty.clone() });
            };
            let found = Type::from(tensor.ty());
            if !input.ty.agrees(&found) {
                let (name, wanted) = (input.name.clone(), input.ty.clone());
                return Err(ExecError::InputType { name, wanted, found });
            }
            values.push(Value::Tensor(tensor));
        }
        match given.keys().next() {
            Some(name) => {
                let known = self.inputs().map(|input| input.name.clone()).collect();
                Err(ExecError::NoInput { found: (*name).to_owned(), known })
            }
            None => Ok(values),
        }
    }
}

/// What the states of a function hold between runs.
#[derive(Debug, Clone, Default)]
pub struct States {
    values: Vec<Tensor>,
}

impl States {
    /// Gives the states zeros, unless they hold something already.
    pub(super) fn set_up(&mut self, inputs: &[NamedType], memory: u64) -> Result<(), ExecError> {
        let declared = inputs.iter().filter_map(|input| match &input.ty {
            Type::State(inner) => Some((input, inner.as_tensor())),
            _ => None,
        });
        let mut live = 0u64;
        for (i, (input, ty)) in declared.enumerate() {
            let unknown = || ExecError::State { name: input.name.clone(), ty: input.ty.clone() };
            let ty = ty.ok_or_else(unknown)?;
            if self.values.get(i).is_some_and(|held| ty.agrees(&held.ty())) {
                continue;
            }
            check_memory(ty, live, memory).map_err(|_| unknown())?;
            let shape = sizes(ty).ok_or_else(unknown)?;
            let count = super::layout::product(&shape);
            live = live.saturating_add(count as u64 * 4);
            let zeros: Data = match Kind::of(ty.element) {
                Some(Kind::Int) => vec![0i32; count].into(),
                Some(Kind::Bool) => vec![false; count].into(),
                _ => vec![0f32; count].into(),
            };
            let zeros = Tensor::moved(ty.element, shape, zeros).map_err(|_| unknown())?;
            self.values.truncate(i);
            self.values.push(zeros);
        }
        Ok(())
    }

    pub(super) fn get(&self, state: usize) -> Option<&Tensor> {
        self.values.get(state)
    }

    pub(super) fn set(&mut self, state: usize, value: Tensor) -> Result<(), Fault> {
        match self.values.get_mut(state) {
            Some(held) if held.ty() == value.ty() => {
                *held = value;
                Ok(())
            }
            _ => Err(Fault::Unbound("input".into())),
        }
    }
}
