//! Values that are the same in every run: read, decompressed and computed once, before the first run.

use std::collections::HashMap;

use super::constexpr::{self, Constant, ConstexprError};
use super::error::{ExecError, Fault};
use super::plan::{Part, Prepared, Stored};
use super::run::{Env, Session};
use super::tensor::Tensor;
use super::value::{Value, read, sizes};
use crate::graph::check::Place;
use crate::graph::{Literal, NoBlobs, TensorType};

/// A constant's value, and how it is written where a shape rule may want to read it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) value: Value,
    pub(super) literal: Option<Literal>,
}

/// The constants of a function by slot; those that nobody needs are left out.
pub(super) type Table = Vec<Option<Known>>;

/// Most bytes of a literal that shape rules read.
const READABLE: usize = 1 << 16;

/// Reads, decompresses and computes everything that is needed. `replaced` holds other values for some slots, `base` the
/// values without them.
pub(super) fn compute(
    program: &Prepared,
    replaced: &HashMap<usize, Tensor>,
    base: Option<&Table>,
    memory: u64,
) -> Result<Table, ExecError> {
    let mut table: Table = vec![None; program.slots];
    let mut packed: HashMap<usize, Constant> = HashMap::new();
    let mut changed = vec![false; program.slots];
    let mut total = 0u64;
    for (slot, tensor) in replaced {
        changed[*slot] = true;
        table[*slot] = Some(Known { value: Value::Tensor(tensor.clone()), literal: None });
    }
    for entry in &program.stored {
        let slots = outputs(entry);
        let wanted = slots.iter().any(|slot| program.needed[*slot] && table[*slot].is_none());
        if !wanted {
            continue;
        }
        let touched = depends(entry, &changed);
        slots.iter().for_each(|slot| changed[*slot] |= touched);
        if let Some(base) = base.filter(|_| !touched) {
            for slot in slots {
                table[slot] = table[slot].take().or_else(|| base[slot].clone());
            }
            continue;
        }
        for (slot, known) in one(program, entry, &table, &mut packed, memory.saturating_sub(total))? {
            if table[slot].is_none() {
                total = total.saturating_add(known.value.bytes());
                table[slot] = Some(known);
            }
        }
    }
    Ok(table)
}

/// The slots that an entry defines.
fn outputs(entry: &Stored) -> Vec<usize> {
    match entry {
        Stored::Literal { slot, .. } => vec![*slot],
        Stored::Compressed { outputs, .. } => outputs.iter().map(|(slot, ..)| *slot).collect(),
        Stored::Computed(step) => step.outputs.iter().map(|output| output.slot).collect(),
    }
}

/// Whether an entry is computed from a value that is another now.
fn depends(entry: &Stored, changed: &[bool]) -> bool {
    match entry {
        Stored::Literal { .. } | Stored::Compressed { .. } => false,
        Stored::Computed(step) => super::plan::slots_of(step).iter().any(|slot| changed[*slot]),
    }
}

fn one(
    program: &Prepared,
    entry: &Stored,
    table: &Table,
    packed: &mut HashMap<usize, Constant>,
    memory: u64,
) -> Result<Vec<(usize, Known)>, ExecError> {
    match entry {
        Stored::Literal { place, slot, literal, .. } => {
            let value = read(literal, &NoBlobs).ok_or(Fault::Unreadable);
            let value = value.and_then(|value| value.map_err(Fault::from)).map_err(|fault| at(place, fault))?;
            let short = literal.ty.as_tensor().and_then(TensorType::bytes).is_none_or(|bytes| bytes <= READABLE as u64);
            Ok(vec![(*slot, Known { value, literal: short.then(|| literal.clone()) })])
        }
        Stored::Compressed { place, parts, outputs } => {
            decompress(place, parts, outputs, packed, memory).map_err(|fault| at(place, fault))
        }
        Stored::Computed(step) => {
            let mut session = Session::default();
            let mut env = Env::new(program, table, &mut session, memory);
            env.step(step)?;
            let values = step.outputs.iter().map(|output| (output.slot, env.value(output.slot)));
            Ok(values.filter_map(|(slot, value)| Some((slot, Known { value: value?, literal: None }))).collect())
        }
    }
}

fn at(place: &Place, fault: Fault) -> ExecError {
    ExecError::Operation { place: Box::new(place.clone()), inputs: Vec::new(), fault }
}

/// The values of a compressed constant, both as they are computed with and, for others that take them, as they are
/// stored.
fn decompress(
    place: &Place,
    parts: &[(crate::graph::Name, Part)],
    outputs: &[(usize, crate::graph::Name, TensorType)],
    packed: &mut HashMap<usize, Constant>,
    memory: u64,
) -> Result<Vec<(usize, Known)>, Fault> {
    for (_, _, ty) in outputs {
        super::run::check_memory(ty, 0, memory)?;
    }
    let part = |name: &str| {
        let (_, part) = parts.iter().find(|(own, _)| &**own == name)?;
        match part {
            Part::Slot(slot) => packed.get(slot).cloned(),
            Part::Literal(literal) => {
                let ty = literal.ty.as_tensor()?;
                let bytes = literal.tensor_bytes(&NoBlobs)?;
                Some(Constant { element: ty.element, shape: sizes(ty)?, bytes })
            }
        }
    };
    let found = constexpr::evaluate(&place.kind, &part)?;
    if found.len() != outputs.len() {
        return Err(ConstexprError::Declared.into());
    }
    let mut known = Vec::with_capacity(outputs.len());
    for (constant, (slot, _, ty)) in found.into_iter().zip(outputs) {
        let own = TensorType::new(constant.element, constant.shape.iter().map(|size| *size as u64));
        if !ty.agrees(&own) {
            return Err(ConstexprError::Declared.into());
        }
        // Masks and codes that only other constants take have no values of their own.
        let value = match Tensor::from_bytes(constant.element, constant.shape.clone(), &constant.bytes) {
            Ok(tensor) => Value::Tensor(tensor),
            Err(_) => Value::Other(own.into()),
        };
        packed.insert(*slot, constant);
        known.push((*slot, Known { value, literal: None }));
    }
    Ok(known)
}
