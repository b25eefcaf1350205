//! One use of an operator, as its rule sees it: types, and the constants among the inputs.

use crate::element::ElementType;
use crate::graph::function::Opset;
use crate::graph::types::{TensorType, Type};
use crate::graph::value::{Blobs, Literal};
use crate::words::shown;

use super::fault::{OpError, OpRule};

/// A value bound to a parameter.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Its declared type.
    pub ty: &'a Type,
    /// Whether it is the same in every run: a constant, or computed from constants alone.
    pub constant: bool,
    /// Its value, where that is written down.
    pub literal: Option<&'a Literal>,
}

/// The types around a nested block.
#[derive(Debug, Clone, Default)]
pub struct BlockTypes<'a> {
    /// Of what goes in.
    pub inputs: Vec<&'a Type>,
    /// Of what comes out; `None` for names that are not defined.
    pub outputs: Vec<Option<&'a Type>>,
}

/// One use of an operator.
pub struct Call<'a> {
    /// The function's operator set.
    pub set: Opset,
    /// What is bound to each parameter.
    pub arguments: Vec<(&'a str, Vec<Given<'a>>)>,
    /// Its nested blocks.
    pub blocks: Vec<BlockTypes<'a>>,
    /// How many outputs it declares.
    pub outputs: usize,
    /// For constants that lie in files.
    pub blobs: &'a dyn Blobs,
}

/// A parameter's constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant<T> {
    /// The parameter is not given: its default holds.
    Absent,
    /// Given, but known only when the program runs, or not readable here.
    Unknown,
    /// Given and known.
    Known(T),
}

impl<T> Constant<T> {
    /// The value, or the default where the parameter is absent. `None` where it is unknown.
    pub fn or(self, default: T) -> Option<T> {
        match self {
            Constant::Absent => Some(default),
            Constant::Unknown => None,
            Constant::Known(value) => Some(value),
        }
    }

    /// The value, if it is known.
    pub fn known(self) -> Option<T> {
        match self {
            Constant::Known(value) => Some(value),
            Constant::Absent | Constant::Unknown => None,
        }
    }
}

impl<'a> Call<'a> {
    /// Everything bound to a parameter.
    pub fn all(&self, parameter: &str) -> &[Given<'a>] {
        self.arguments.iter().find(|(name, _)| *name == parameter).map_or(&[], |(_, values)| values)
    }

    /// The first value bound to a parameter.
    pub fn one(&self, parameter: &str) -> Option<Given<'a>> {
        self.all(parameter).first().copied()
    }

    /// Whether a parameter is given.
    pub fn has(&self, parameter: &str) -> bool {
        !self.all(parameter).is_empty()
    }

    /// The type of a required parameter that takes a tensor.
    ///
    /// # Errors
    ///
    /// If it is missing or no tensor.
    pub fn tensor(&self, parameter: &'static str) -> Result<&'a TensorType, OpError> {
        let missing = || OpError::at(OpRule::Parameter, parameter, "is required");
        self.tensor_if(parameter)?.ok_or_else(missing)
    }

    /// The type of an optional parameter that takes a tensor.
    ///
    /// # Errors
    ///
    /// If it is no tensor.
    pub fn tensor_if(&self, parameter: &'static str) -> Result<Option<&'a TensorType>, OpError> {
        let Some(given) = self.one(parameter) else { return Ok(None) };
        match given.ty {
            Type::Tensor(tensor) => Ok(Some(tensor)),
            other => Err(OpError::at(OpRule::DType, parameter, format!("must be a tensor, not {other}"))),
        }
    }

    /// The types of a parameter that takes several tensors.
    ///
    /// # Errors
    ///
    /// If there is none, or one is no tensor.
    pub fn tensors(&self, parameter: &'static str) -> Result<Vec<&'a TensorType>, OpError> {
        let given = self.all(parameter);
        if given.is_empty() {
            return Err(OpError::at(OpRule::Parameter, parameter, "needs at least one value"));
        }
        let not_tensor = |ty| OpError::at(OpRule::DType, parameter, format!("must be tensors; one is {ty}"));
        given.iter().map(|given| given.ty.as_tensor().ok_or_else(|| not_tensor(given.ty))).collect()
    }

    /// A parameter's integers.
    ///
    /// # Errors
    ///
    /// If it is not of integers.
    pub fn ints(&self, parameter: &'static str) -> Result<Constant<Vec<i64>>, OpError> {
        self.constants(
            parameter,
            |literal| literal.ints(self.blobs),
            |element| element.is_integer() || element == ElementType::Bool,
        )
    }

    /// A parameter's one integer.
    ///
    /// # Errors
    ///
    /// If it is not one integer.
    pub fn int(&self, parameter: &'static str) -> Result<Constant<i64>, OpError> {
        single(parameter, self.ints(parameter)?)
    }

    /// A parameter's truth values.
    ///
    /// # Errors
    ///
    /// If it is not of truth values.
    pub fn bools(&self, parameter: &'static str) -> Result<Constant<Vec<bool>>, OpError> {
        Ok(match self.ints(parameter)? {
            Constant::Absent => Constant::Absent,
            Constant::Unknown => Constant::Unknown,
            Constant::Known(values) => Constant::Known(values.into_iter().map(|value| value != 0).collect()),
        })
    }

    /// A parameter's one truth value.
    ///
    /// # Errors
    ///
    /// If it is not one truth value.
    pub fn bool(&self, parameter: &'static str) -> Result<Constant<bool>, OpError> {
        single(parameter, self.bools(parameter)?)
    }

    /// A parameter's floats; integers are taken as floats.
    ///
    /// # Errors
    ///
    /// If it is of text or truth values.
    pub fn floats(&self, parameter: &'static str) -> Result<Constant<Vec<f64>>, OpError> {
        let read = |literal: &Literal| {
            let whole = || Some(literal.ints(self.blobs)?.into_iter().map(|value| value as f64).collect());
            literal.floats(self.blobs).or_else(whole)
        };
        self.constants(parameter, read, |element| element.is_integer() || element.is_float())
    }

    /// A parameter's one float.
    ///
    /// # Errors
    ///
    /// If it is not one number.
    pub fn float(&self, parameter: &'static str) -> Result<Constant<f64>, OpError> {
        single(parameter, self.floats(parameter)?)
    }

    /// A parameter's text.
    ///
    /// # Errors
    ///
    /// If it is no text.
    pub fn text(&self, parameter: &'static str) -> Result<Constant<&'a str>, OpError> {
        self.constants(parameter, |literal| literal.text(), |element| element == ElementType::String)
    }

    /// A parameter's text, which must be one of these, in any case. The default is the first.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub fn word(&self, parameter: &'static str, words: &[&'static str]) -> Result<Option<&'static str>, OpError> {
        let Some(first) = words.first() else { return Ok(None) };
        let Some(text) = self.text(parameter)?.or(first) else { return Ok(None) };
        match words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
            Some(word) => Ok(Some(word)),
            None => {
                let message = format!("is \"{}\"; it can be {}", shown(text), words.join(", "));
                Err(OpError::at(OpRule::Value, parameter, message))
            }
        }
    }

    /// A parameter that names an element type, in any case. The default holds where it is absent.
    ///
    /// # Errors
    ///
    /// If it names another one.
    pub fn element(
        &self,
        parameter: &'static str,
        default: ElementType,
        accepted: &[ElementType],
    ) -> Result<Option<ElementType>, OpError> {
        let Some(text) = self.text(parameter)?.or(default.name()) else { return Ok(None) };
        match ElementType::by_name(&text.to_ascii_lowercase()).filter(|element| accepted.contains(element)) {
            Some(element) => Ok(Some(element)),
            None => {
                let message = format!("is \"{}\"; it can be {}", shown(text), names(accepted));
                Err(OpError::at(OpRule::Value, parameter, message))
            }
        }
    }

    fn constants<T>(
        &self,
        parameter: &'static str,
        read: impl Fn(&'a Literal) -> Option<T>,
        accepts: impl Fn(ElementType) -> bool,
    ) -> Result<Constant<T>, OpError> {
        let Some(tensor) = self.tensor_if(parameter)? else { return Ok(Constant::Absent) };
        if !accepts(tensor.element) {
            return Err(OpError::at(OpRule::DType, parameter, format!("cannot be of {}", tensor.element)));
        }
        // A constant that is declared as something else is reported; its values are not trusted.
        let literal = self.one(parameter).and_then(|given| given.literal);
        let literal = literal.filter(|literal| literal.ty.as_tensor() == Some(tensor));
        Ok(literal.and_then(read).map_or(Constant::Unknown, Constant::Known))
    }
}

fn single<T>(parameter: &'static str, values: Constant<Vec<T>>) -> Result<Constant<T>, OpError> {
    Ok(match values {
        Constant::Absent => Constant::Absent,
        Constant::Unknown => Constant::Unknown,
        Constant::Known(mut values) => match (values.pop(), values.is_empty()) {
            (Some(value), true) => Constant::Known(value),
            _ => return Err(OpError::at(OpRule::Shape, parameter, "must be one value")),
        },
    })
}

/// Element types as text: `fp16, fp32`.
pub(super) fn names(elements: &[ElementType]) -> String {
    elements.iter().map(|element| element.name()).collect::<Vec<_>>().join(", ")
}
