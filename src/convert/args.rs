//! Arguments of an operation by the names of its schema. Those that are left out have their default.

use super::builder::Builder;
use super::element_of;
use super::sizes::Extent;
use crate::graph::ElementType;
use crate::graph::aten::{self, Argument, Graph, Node, ScalarType, Size, ValueId, ValueType};
use crate::words::shown;

/// A number as PyTorch passes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl Number {
    pub(super) fn value(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::Float(value) => value,
            Number::Bool(value) => f64::from(u8::from(value)),
        }
    }

    /// The type that an operation has by it, beside a tensor of a type: a float makes integers floats, an integer makes
    /// truth values integers.
    pub(super) fn beside(self, element: ElementType) -> ElementType {
        match (self, element) {
            (_, ElementType::Fp32) | (Number::Float(_), _) => ElementType::Fp32,
            (Number::Int(_), ElementType::Bool) => ElementType::Int32,
            (_, other) => other,
        }
    }
}

/// The arguments of an operation.
#[derive(Clone, Copy)]
pub(super) struct Args<'a> {
    pub(super) graph: &'a Graph,
    pub(super) node: &'a Node,
}

fn wrong<T>(name: &str, what: &str) -> Result<T, String> {
    Err(format!("its argument `{}` {what}", shown(name)))
}

impl<'a> Args<'a> {
    pub(super) fn new(graph: &'a Graph, node: &'a Node) -> Self {
        Args { graph, node }
    }

    /// An argument that is given and is not `None`.
    pub(super) fn get(&self, name: &str) -> Option<&'a Argument> {
        self.node.argument(name).filter(|argument| !matches!(argument, Argument::None))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A symbolic integer that turned out fixed.
    fn fixed(&self, id: ValueId) -> Option<i64> {
        match &self.graph.value(id)?.ty {
            ValueType::Int(dim) => dim.known().and_then(|size| i64::try_from(size).ok()),
            _ => None,
        }
    }

    /// An integer, if it is given.
    pub(super) fn int_if(&self, name: &str) -> Result<Option<i64>, String> {
        Ok(Some(match self.get(name) {
            None => return Ok(None),
            Some(Argument::Int(value)) => *value,
            Some(Argument::Bool(value)) => i64::from(*value),
            Some(Argument::Value(id)) => match self.fixed(*id) {
                Some(value) => value,
                None => return wrong(name, "is known only when the program runs"),
            },
            Some(_) => return wrong(name, "is no integer"),
        }))
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, String> {
        Ok(self.int_if(name)?.unwrap_or(default))
    }

    /// Integers, if they are given; `None` for each that is known only when the program runs.
    pub(super) fn sizes(&self, name: &str) -> Result<Option<Vec<Option<i64>>>, String> {
        Ok(Some(match self.get(name) {
            None => return Ok(None),
            Some(Argument::Ints(values)) => values.iter().copied().map(Some).collect(),
            Some(Argument::Int(value)) => vec![Some(*value)],
            Some(Argument::Sizes(sizes)) => sizes
                .iter()
                .map(|size| match size {
                    Size::Int(value) => Some(*value),
                    Size::Value(id) => self.fixed(*id),
                })
                .collect(),
            Some(Argument::Values(ids)) => ids.iter().map(|id| self.fixed(*id)).collect(),
            Some(_) => return wrong(name, "is no list of integers"),
        }))
    }

    /// Integers of which some may be known only when the program runs.
    pub(super) fn extents(&self, b: &mut Builder<'_>, name: &str) -> Result<Vec<Extent>, String> {
        let of = |b: &mut Builder<'_>, id: ValueId| match self.graph.value(id).map(|value| &value.ty) {
            Some(ValueType::Int(dim)) => b.extent(dim),
            _ => wrong(name, "is no list of integers"),
        };
        match self.get(name) {
            Some(Argument::Sizes(sizes)) => sizes
                .iter()
                .map(|size| match size {
                    Size::Int(value) => Ok(Extent::Fixed(*value)),
                    Size::Value(id) => of(b, *id),
                })
                .collect(),
            Some(Argument::Values(ids)) => ids.iter().map(|id| of(b, *id)).collect(),
            Some(Argument::Value(id)) => Ok(vec![of(b, *id)?]),
            _ => Ok(self.ints(name)?.into_iter().map(Extent::Fixed).collect()),
        }
    }

    /// An integer that may be known only when the program runs, if it is given.
    pub(super) fn open(&self, name: &str) -> Option<&'a aten::Dim> {
        match &self.graph.value(self.get(name)?.value()?)?.ty {
            ValueType::Int(dim) => Some(dim),
            _ => None,
        }
    }

    /// Integers that are fixed, if they are given.
    pub(super) fn ints_if(&self, name: &str) -> Result<Option<Vec<i64>>, String> {
        let Some(sizes) = self.sizes(name)? else { return Ok(None) };
        match sizes.into_iter().collect::<Option<Vec<i64>>>() {
            Some(values) => Ok(Some(values)),
            None => wrong(name, "is known only when the program runs"),
        }
    }

    pub(super) fn ints(&self, name: &str) -> Result<Vec<i64>, String> {
        Ok(self.ints_if(name)?.unwrap_or_default())
    }

    /// A value for each of some dimensions: one may stand for all, none for the default.
    pub(super) fn per_dimension(&self, name: &str, dimensions: usize, default: i64) -> Result<Vec<i64>, String> {
        match self.ints(name)?.as_slice() {
            [] => Ok(vec![default; dimensions]),
            [one] => Ok(vec![*one; dimensions]),
            several if several.len() == dimensions => Ok(several.to_vec()),
            _ => wrong(name, "has another number of values than there are dimensions"),
        }
    }

    pub(super) fn number_if(&self, name: &str) -> Result<Option<Number>, String> {
        Ok(Some(match self.get(name) {
            None => return Ok(None),
            Some(Argument::Int(value)) => Number::Int(*value),
            Some(Argument::Float(value)) => Number::Float(*value),
            Some(Argument::Bool(value)) => Number::Bool(*value),
            Some(Argument::Value(id)) => match self.fixed(*id) {
                Some(value) => Number::Int(value),
                None => return wrong(name, "is known only when the program runs"),
            },
            Some(_) => return wrong(name, "is no number"),
        }))
    }

    pub(super) fn float(&self, name: &str, default: f64) -> Result<f64, String> {
        Ok(self.number_if(name)?.map_or(default, Number::value))
    }

    pub(super) fn bool(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.get(name) {
            None => Ok(default),
            Some(Argument::Bool(value)) => Ok(*value),
            Some(Argument::Int(value)) => Ok(*value != 0),
            Some(_) => wrong(name, "is no truth value"),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        match self.get(name)? {
            Argument::String(text) => Some(text),
            _ => None,
        }
    }

    /// The tensor that an argument names, if it does.
    pub(super) fn id(&self, name: &str) -> Option<ValueId> {
        let id = self.get(name)?.value()?;
        self.graph.tensor(id).map(|_| id)
    }

    /// The tensors of a list.
    pub(super) fn ids(&self, name: &str) -> Result<Vec<ValueId>, String> {
        match self.get(name) {
            Some(Argument::Values(ids)) => Ok(ids.clone()),
            _ => wrong(name, "is no list of tensors"),
        }
    }

    /// The type that the export declares for what the operation gives.
    pub(super) fn output(&self, index: usize) -> Result<&'a aten::TensorType, String> {
        let all: Vec<ValueId> = self.node.outputs.iter().flat_map(Argument::values).collect();
        let ty = all.get(index).and_then(|id| self.graph.tensor(*id));
        ty.ok_or_else(|| "it gives no tensor".to_owned())
    }

    /// The element type of what the operation gives.
    pub(super) fn output_element(&self) -> Result<ElementType, String> {
        known_element(self.output(0)?.dtype)
    }

    /// Refuses an argument that has another value than the one that is converted.
    pub(super) fn expect_bool(&self, name: &str, value: bool) -> Result<(), String> {
        if self.bool(name, value)? == value { Ok(()) } else { wrong(name, &format!("can only be {value}")) }
    }
}

fn known_element(dtype: ScalarType) -> Result<ElementType, String> {
    element_of(dtype).ok_or_else(|| format!("values of {dtype} are not converted"))
}
