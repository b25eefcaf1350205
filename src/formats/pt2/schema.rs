//! The JSON of an archive, as it is written: `torch/_export/serde/schema.py`, major version 8. What nothing here
//! reads is left out; what a later minor version adds is passed over, or becomes an `Unknown` where it cannot be.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::scalar::{Layout, MemoryFormat};
use super::union::unions;
pub use super::values::{Entries, Float};

/// The major version that is read.
pub const MAJOR: u64 = 8;

/// An exported program: `models/NAME.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ExportedProgram {
    /// The graph with its signature.
    pub graph_module: GraphModule,
    /// The version of each operator set, by namespace.
    #[serde(default)]
    pub opset_version: Entries<u64>,
    /// What sizes a symbol may have.
    pub range_constraints: Entries<RangeConstraint>,
    /// The version of the schema.
    pub schema_version: SchemaVersion,
    /// Who has found it valid: `TRAINING` before decomposition, `ATEN` and `EDGE` after.
    #[serde(default)]
    pub verifiers: Vec<String>,
    /// The PyTorch that wrote it.
    #[serde(default)]
    pub torch_version: Option<String>,
}

/// The version of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct SchemaVersion {
    /// Differs where older readers cannot read it.
    pub major: u64,
    /// Differs where they can.
    pub minor: u64,
}

/// Bounds of a symbol, both inclusive; none where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RangeConstraint {
    /// The least.
    pub min_val: Option<i64>,
    /// The most.
    pub max_val: Option<i64>,
}

/// A graph with what its inputs and outputs are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GraphModule {
    /// The graph.
    pub graph: Graph,
    /// What its inputs and outputs are.
    pub signature: GraphSignature,
    /// The module itself first, then those in it.
    #[serde(default)]
    pub module_call_graph: Vec<ModuleCallEntry>,
}

/// A module.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ModuleCallEntry {
    /// Its dotted name; empty for the outermost.
    pub fqn: String,
    /// How it is called, where that was kept.
    pub signature: Option<ModuleCallSignature>,
}

/// How a module is called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ModuleCallSignature {
    /// The form of its arguments, as JSON.
    pub in_spec: String,
    /// The form of what it returns, as JSON.
    pub out_spec: String,
    /// The names of its arguments.
    #[serde(default)]
    pub forward_arg_names: Option<Vec<String>>,
}

/// A graph: of the program, or one that an operator takes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Graph {
    /// What it takes.
    pub inputs: Vec<Argument>,
    /// What it gives.
    pub outputs: Vec<Argument>,
    /// What it does, in order.
    pub nodes: Vec<Node>,
    /// The type of each tensor.
    pub tensor_values: Entries<TensorMeta>,
    /// Each integer that is known only when it runs.
    pub sym_int_values: Entries<SymInt>,
    /// Each truth value that is known only when it runs.
    pub sym_bool_values: Entries<IgnoredAny>,
    /// Each float that is known only when it runs.
    #[serde(default)]
    pub sym_float_values: Entries<IgnoredAny>,
    /// Each object of a class of its own.
    #[serde(default)]
    pub custom_obj_values: Entries<CustomObj>,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Node {
    /// Its name. Older writers have none.
    #[serde(default)]
    pub name: Option<String>,
    /// The operator: `torch.ops.aten.conv2d.default`.
    pub target: String,
    /// Its arguments, without those that have their default.
    pub inputs: Vec<NamedArgument>,
    /// What it gives.
    pub outputs: Vec<Argument>,
    /// Where it comes from: `nn_module_stack`, `stack_trace` and others.
    #[serde(default)]
    pub metadata: Entries<String>,
}

/// An argument by the name that the operator's schema gives it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NamedArgument {
    /// Its name; may be empty for operators without a schema.
    pub name: String,
    /// What is given.
    pub arg: Argument,
}

/// The type of a tensor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TensorMeta {
    /// The number of its element type.
    pub dtype: u64,
    /// Its dimensions, outermost first.
    pub sizes: Vec<SymInt>,
    /// Whether it takes part in training.
    #[serde(default)]
    pub requires_grad: bool,
    /// The elements between neighbours along each dimension.
    pub strides: Vec<SymInt>,
    /// The element of its storage at which it begins.
    pub storage_offset: SymInt,
    /// How it lies in memory.
    pub layout: Layout,
}

/// A value by its name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// The name.
    pub name: String,
}

/// An object of a class of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CustomObj {
    /// The name.
    pub name: String,
    /// The class.
    pub class_fqn: String,
}

/// A graph that an operator takes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GraphArgument {
    /// Its name.
    pub name: String,
    /// The graph.
    pub graph: Box<Graph>,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Device {
    /// `cpu`, `cuda`, `mps`, …
    pub r#type: String,
    /// Which of them.
    pub index: Option<i64>,
}

/// A complex number.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Complex {
    /// The real part.
    pub real: Float,
    /// The imaginary part.
    pub imag: Float,
}

/// An expression over symbols.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SymExpr {
    /// As `sympy.srepr` writes it.
    pub expr_str: String,
    /// What it was when the program was exported.
    #[serde(default)]
    pub hint: Option<Hint>,
}

unions! {
    /// What an expression was when the program was exported.
    Hint {
        /// An integer.
        Int(i64) = "as_int",
        /// A truth value.
        Bool(bool) = "as_bool",
        /// A float.
        Float(Float) = "as_float",
    }

    /// A size: fixed, or an expression.
    SymInt {
        /// Always this.
        Int(i64) = "as_int",
        /// Known only when it runs.
        Expr(SymExpr) = "as_expr",
    }

    /// A number or truth value as an argument: given, or a value of the graph.
    SymArgument {
        /// The value of this name.
        Name(String) = "as_name",
        /// This integer.
        Int(i64) = "as_int",
        /// This truth value.
        Bool(bool) = "as_bool",
        /// This float.
        Float(Float) = "as_float",
    }

    /// A tensor, or none.
    OptionalTensor {
        /// The tensor of this name.
        Tensor(Named) = "as_tensor",
        /// None.
        None(bool) = "as_none",
    }

    /// An argument of an operation, or what it gives.
    Argument {
        /// None.
        None(bool) = "as_none",
        /// A tensor.
        Tensor(Named) = "as_tensor",
        /// Tensors.
        Tensors(Vec<Named>) = "as_tensors",
        /// A tensor, or none.
        OptionalTensor(OptionalTensor) = "as_optional_tensor",
        /// Tensors, some of them missing.
        OptionalTensors(Vec<OptionalTensor>) = "as_optional_tensors",
        /// Lists of tensors.
        NestedTensors(Vec<Vec<Named>>) = "as_nested_tensors",
        /// An integer.
        Int(i64) = "as_int",
        /// Integers.
        Ints(Vec<i64>) = "as_ints",
        /// Lists of integers.
        IntLists(Vec<Vec<i64>>) = "as_int_lists",
        /// A float.
        Float(Float) = "as_float",
        /// Floats.
        Floats(Vec<Float>) = "as_floats",
        /// A truth value.
        Bool(bool) = "as_bool",
        /// Truth values.
        Bools(Vec<bool>) = "as_bools",
        /// A text.
        String(String) = "as_string",
        /// Texts.
        Strings(Vec<String>) = "as_strings",
        /// An integer that may be a value.
        SymInt(SymArgument) = "as_sym_int",
        /// Integers that may be values.
        SymInts(Vec<SymArgument>) = "as_sym_ints",
        /// A truth value that may be a value of the graph.
        SymBool(SymArgument) = "as_sym_bool",
        /// Truth values that may be values of the graph.
        SymBools(Vec<SymArgument>) = "as_sym_bools",
        /// A float that may be a value.
        SymFloat(SymArgument) = "as_sym_float",
        /// Floats that may be values.
        SymFloats(Vec<SymArgument>) = "as_sym_floats",
        /// An element type, by its number.
        ScalarType(u64) = "as_scalar_type",
        /// An order of dimensions in memory.
        MemoryFormat(MemoryFormat) = "as_memory_format",
        /// A layout.
        Layout(Layout) = "as_layout",
        /// A device.
        Device(Device) = "as_device",
        /// A graph.
        Graph(GraphArgument) = "as_graph",
        /// An object.
        CustomObj(CustomObj) = "as_custom_obj",
        /// An operator by its name.
        Operator(String) = "as_operator",
        /// A complex number.
        Complex(Complex) = "as_complex",
        /// Arguments by name.
        Map(Entries<Argument>) = "as_string_to_argument",
    }

    /// What an input of the program is.
    InputSpec {
        /// What the user gives.
        User(UserSpec) = "user_input",
        /// A parameter.
        Parameter(ParameterSpec) = "parameter",
        /// A buffer.
        Buffer(BufferSpec) = "buffer",
        /// A tensor that stood in the code.
        TensorConstant(TensorConstantSpec) = "tensor_constant",
        /// An object.
        CustomObj(IgnoredAny) = "custom_obj",
        /// What keeps effects in order.
        Token(TokenSpec) = "token",
        /// An argument that was fixed when the program was exported.
        Constant(ConstantSpec) = "constant_input",
    }

    /// What an output of the program is.
    OutputSpec {
        /// What the user gets.
        User(UserSpec) = "user_output",
        /// A loss.
        Loss(TensorSpec) = "loss_output",
        /// What a buffer becomes.
        BufferMutation(BufferMutationSpec) = "buffer_mutation",
        /// What a parameter becomes.
        ParameterMutation(ParameterSpec) = "parameter_mutation",
        /// What an input becomes.
        UserInputMutation(UserInputMutationSpec) = "user_input_mutation",
        /// A gradient.
        GradientToParameter(IgnoredAny) = "gradient_to_parameter",
        /// A gradient.
        GradientToUserInput(IgnoredAny) = "gradient_to_user_input",
        /// What keeps effects in order.
        Token(TokenSpec) = "token",
    }
}

/// What the inputs and outputs of a graph are, in their order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GraphSignature {
    /// Of the inputs.
    pub input_specs: Vec<InputSpec>,
    /// Of the outputs.
    pub output_specs: Vec<OutputSpec>,
}

/// What the user gives or gets.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct UserSpec {
    /// The value.
    pub arg: Argument,
}

/// A tensor that is given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TensorSpec {
    /// The value.
    pub arg: Named,
}

/// What keeps effects in order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TokenSpec {
    /// The value.
    pub arg: Named,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ParameterSpec {
    /// The value.
    pub arg: Named,
    /// Its dotted name.
    pub parameter_name: String,
}

/// A buffer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BufferSpec {
    /// The value.
    pub arg: Named,
    /// Its dotted name.
    pub buffer_name: String,
    /// Whether it is part of the state dict.
    pub persistent: bool,
}

/// What a buffer becomes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BufferMutationSpec {
    /// The value.
    pub arg: Named,
    /// The buffer's dotted name.
    pub buffer_name: String,
}

/// What an input becomes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UserInputMutationSpec {
    /// The value.
    pub arg: Named,
    /// The input's name.
    pub user_input_name: String,
}

/// A tensor that stood in the code.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TensorConstantSpec {
    /// The value.
    pub arg: Named,
    /// Its dotted name.
    pub tensor_constant_name: String,
}

/// An argument that was fixed when the program was exported.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ConstantSpec {
    /// Its name.
    pub name: String,
}

/// Which member holds which tensor: `NAME_weights_config.json`, `NAME_constants_config.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PayloadConfig {
    /// By dotted name.
    pub config: Entries<PayloadMeta>,
}

/// Where a tensor is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PayloadMeta {
    /// The member, in the directory of the configuration. Several tensors may share one.
    pub path_name: String,
    /// Whether it is a parameter.
    pub is_param: bool,
    /// Whether the member is a pickle.
    pub use_pickle: bool,
    /// Its type and place; objects have none.
    pub tensor_meta: Option<TensorMeta>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(json: &str) -> String {
        match serde_json::from_str::<Argument>(json) {
            Ok(argument) => format!("{argument:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn unions_have_one_key() {
        insta::assert_snapshot!(argument(r#"{"as_floats": [1, 2.5, "-Infinity"]}"#), @"Floats([Float(1.0), Float(2.5), Float(-inf)])");
        insta::assert_snapshot!(argument(r#"{"as_\u0069nt": 3}"#), @"Int(3)");
        insta::assert_snapshot!(argument(r#"{"as_something": {"a": [1]}}"#), @r#"Unknown("as_something")"#);
        insta::assert_snapshot!(argument("{}"), @"an object with one key has none at line 1 column 2");
        insta::assert_snapshot!(argument(r#"{"as_int": 3, "as_bool": true}"#), @"an object with one key has several at line 1 column 23");
        insta::assert_snapshot!(argument(r#"{"as_float": "large"}"#), @r#"invalid value: string "large", expected a number, "Infinity", "-Infinity" or "NaN" at line 1 column 20"#);
        insta::assert_snapshot!(argument("7"), @"invalid type: integer `7`, expected an object with one key at line 1 column 1");
    }

    #[test]
    fn keys_stand_once() {
        let twice = serde_json::from_str::<Entries<u64>>(r#"{"aten": 10, "aten": 9}"#);
        assert_eq!(
            twice.map_err(|error| error.to_string()),
            Err("the key `aten` stands twice at line 1 column 23".into())
        );
    }

    #[test]
    fn nesting_ends_in_an_error() {
        let deep = "{\"as_string_to_argument\":{\"a\":".repeat(100_000);
        assert!(argument(&deep).contains("recursion limit"));
    }
}
