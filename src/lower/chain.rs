//! Chains of `constexpr_` operators: what stands in a program in place of a constant.

use crate::element::ElementType;
use crate::graph::weights::MIN_ELEMENTS;

/// The operators that give one weight, each after those whose results it takes. The last one's last output is the
/// weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// At least one.
    pub steps: Vec<Step>,
}

/// One operator of a [`Chain`].
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `constexpr_lut_to_dense`.
    pub operator: &'static str,
    /// Every parameter that is written, with what is bound to it.
    pub parameters: Vec<(&'static str, Operand)>,
    /// Element type and shape of each output.
    pub outputs: Vec<(ElementType, Vec<usize>)>,
}

/// What is bound to a parameter of a [`Step`].
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A stored tensor.
    Data(Data),
    /// An output of an earlier step: its index in the chain, and which output.
    Result(usize, usize),
    /// A number: an axis.
    Int(i32),
    /// Sizes, as the `shape` of CoreML6's operators.
    Sizes(Vec<u32>),
    /// A word.
    Word(&'static str),
}

/// A stored tensor of a quantized weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// What of the weight it holds.
    pub holds: Holds,
    /// Its element type as the program declares it.
    pub element: ElementType,
    /// Its dimensions, outermost first. For types narrower than a byte the elements are one packed stream.
    pub shape: Vec<usize>,
}

/// What a stored tensor holds of a weight, in a package or a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holds {
    /// The input's bytes, untouched.
    Copy,
    /// Codes of integers, or indices, packed to their width; those of the elements that pruning left.
    Codes,
    /// Codes or indices, one byte each.
    ByteCodes,
    /// 8-bit codes moved up by 128, where signed ones are written as unsigned.
    RaisedCodes,
    /// Zero points, packed to the width of a code.
    ZeroPoints,
    /// Zero points, one byte each.
    ByteZeroPoints,
    /// Zero points moved up by 128, as [`Holds::RaisedCodes`].
    RaisedZeroPoints,
    /// Scales.
    Scales,
    /// Palettes, their int8 entries dequantized.
    Tables,
    /// Palettes of int8 entries.
    Int8Tables,
    /// The one scale of int8 entries.
    TableScale,
    /// Scales per channel beside a palette.
    ChannelScales,
    /// One bit per element: whether it stays.
    Mask,
    /// One byte per element: whether it stays.
    ByteMask,
    /// Values in a float type; with a mask those that pruning left.
    Values,
    /// The values that come of the scheme, in the type of the weight.
    Plain,
}

impl Data {
    /// Bytes of its elements, packed; `None` where the product overflows.
    pub fn bytes(&self) -> Option<u64> {
        let count = self.shape.iter().try_fold(1u64, |count, &size| count.checked_mul(size as u64))?;
        self.element.bytes_for(count)
    }

    /// Whether it is so small that it stands in the program itself.
    pub fn is_immediate(&self) -> bool {
        let count = self.shape.iter().try_fold(1u64, |count, &size| count.checked_mul(size as u64));
        count.is_some_and(|count| count < MIN_ELEMENTS)
    }
}

impl Chain {
    /// The operators that compute it, each once, in order.
    pub fn operators(&self) -> Vec<&'static str> {
        let mut operators: Vec<&str> = self.steps.iter().map(|step| step.operator).collect();
        operators.retain(|operator| *operator != "const");
        operators.dedup();
        operators
    }

    /// Every stored tensor, in the order in which the operators name them.
    pub fn data(&self) -> impl Iterator<Item = &Data> {
        self.steps.iter().flat_map(|step| &step.parameters).filter_map(|(_, operand)| match operand {
            Operand::Data(data) => Some(data),
            _ => None,
        })
    }
}
