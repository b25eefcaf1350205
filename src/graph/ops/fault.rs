//! What can be wrong with one operation.

use std::borrow::Cow;
use std::fmt;

use crate::words::shown;

/// Which rule an operation breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OpRule {
    /// The operator is not in the function's operator set.
    Opset,
    /// A parameter is missing, unknown, or stands where its operator set does not look for it.
    Parameter,
    /// A parameter must be constant.
    Constant,
    /// An element type, or a kind of type, that the operator does not take.
    DType,
    /// A number of dimensions.
    Rank,
    /// Sizes that do not fit each other.
    Shape,
    /// An axis outside the shape.
    Axis,
    /// A value outside what the operator takes.
    Value,
    /// The scale of a quantized weight has another rank or length than its data allows.
    ScaleShape,
    /// The offset or zero point does not go with the scale, or is of the wrong type.
    OffsetShape,
    /// Scales or tables that do not divide a dimension into blocks.
    BlockDivides,
    /// A table's number of entries does not go with the indices.
    LutSize,
    /// A table's rank.
    LutRank,
    /// The axis along which a table's entries are vectors.
    VectorAxis,
    /// The mask and the values of a sparse weight.
    MaskCount,
    /// `axis` of `quantize` and `dequantize`.
    QdqAxis,
    /// A scale of zeros.
    QdqZeroScale,
}

impl OpRule {
    /// A short name for reports: `op-scale-shape`.
    pub fn id(self) -> &'static str {
        match self {
            OpRule::Opset => "op-opset",
            OpRule::Parameter => "op-parameter",
            OpRule::Constant => "op-constant",
            OpRule::DType => "op-dtype",
            OpRule::Rank => "op-rank",
            OpRule::Shape => "op-shape",
            OpRule::Axis => "op-axis",
            OpRule::Value => "op-value",
            OpRule::ScaleShape => "op-scale-shape",
            OpRule::OffsetShape => "op-offset-shape",
            OpRule::BlockDivides => "op-block-divides",
            OpRule::LutSize => "op-lut-size",
            OpRule::LutRank => "op-lut-rank",
            OpRule::VectorAxis => "op-vector-axis",
            OpRule::MaskCount => "op-mask-count",
            OpRule::QdqAxis => "op-qdq-axis",
            OpRule::QdqZeroScale => "op-qdq-zero-scale",
        }
    }
}

/// An operation that breaks a rule of its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpError {
    /// The rule.
    pub rule: OpRule,
    /// The parameter it is about, if it is about one.
    pub parameter: Option<Cow<'static, str>>,
    /// What was found and what is expected, without the parameter's name.
    pub message: String,
}

impl OpError {
    /// An error about a parameter.
    pub fn at(rule: OpRule, parameter: &'static str, message: impl Into<String>) -> Self {
        Self { rule, parameter: Some(Cow::Borrowed(parameter)), message: message.into() }
    }

    /// An error about the operation as a whole.
    pub fn whole(rule: OpRule, message: impl Into<String>) -> Self {
        Self { rule, parameter: None, message: message.into() }
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parameter {
            // One that the operator does not have is named by the program.
            Some(parameter) => write!(f, "`{}` {}", shown(parameter), self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for OpError {}
