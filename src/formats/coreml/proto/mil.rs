//! Programs in the Model Intermediate Language. CT:mlmodel/format/MIL.proto.

use bytes::Bytes;

use super::{Kept, map_entry, message};

message! {
    /// A program: functions over one set of weights.
    struct Program {
        /// The version of the language, 1.
        (1 int64) version: i64,
        /// The functions, by name; `main` if there is one only.
        (2 message, repeated) functions: Vec<Kept<FunctionEntry>>,
        /// A comment.
        (3 string) doc_string: String,
        /// Anything about the program; coremltools writes `buildInfo`.
        (4 message, repeated) attributes: Vec<Kept<AttributeEntry>>,
    }
}

message! {
    /// A function.
    struct Function {
        /// Its inputs, in no order that means anything.
        (1 message, repeated) inputs: Vec<Kept<NamedValueType>>,
        /// The operator set: a key of `block_specializations`.
        (2 string) opset: String,
        /// The function's body for each operator set; coremltools writes one.
        (3 message, repeated) block_specializations: Vec<Kept<BlockEntry>>,
        /// Anything about the function.
        (4 message, repeated) attributes: Vec<Kept<AttributeEntry>>,
    }
}

message! {
    /// Operations in order, each after those whose outputs it takes.
    struct Block {
        /// Inputs, of nested blocks only.
        (1 message, repeated) inputs: Vec<Kept<NamedValueType>>,
        /// The names of the values that it gives.
        (2 string, repeated) outputs: Vec<String>,
        /// The operations.
        (3 message, repeated) operations: Vec<Kept<Operation>>,
        /// Anything about the block.
        (4 message, repeated) attributes: Vec<Kept<AttributeEntry>>,
    }
}

message! {
    /// An operation.
    struct Operation {
        /// The operator: `conv`, `const`, `constexpr_lut_to_dense`.
        (1 string) r#type: String,
        /// What it takes, by parameter.
        (2 message, repeated) inputs: Vec<Kept<InputEntry>>,
        /// What it gives.
        (3 message, repeated) outputs: Vec<Kept<NamedValueType>>,
        /// The blocks of `cond` and `while_loop`.
        (4 message, repeated) blocks: Vec<Kept<Block>>,
        /// Its `name`; the `val` of a `const`; up to CoreML7 all parameters of a `constexpr_`.
        (5 message, repeated) attributes: Vec<Kept<AttributeEntry>>,
    }
}

message! {
    /// What a parameter is bound to: one binding, or several for a variadic one.
    struct Argument {
        /// The bindings.
        (1 message, repeated) arguments: Vec<Kept<Binding>>,
    }
}

message! {
    /// A binding.
    struct Binding {}
    /// What a parameter is bound to.
    oneof binding: BindingKind {
        /// A value of this name.
        (1 string) Name(String),
        /// A literal.
        (2 message) Value(Box<Kept<Value>>),
    }
}

map_entry! {
    /// A function by its name.
    FunctionEntry => Function
}

map_entry! {
    /// A block by its operator set.
    BlockEntry => Block
}

map_entry! {
    /// An argument by its parameter.
    InputEntry => Argument
}

map_entry! {
    /// An attribute by its name.
    AttributeEntry => Value
}

message! {
    /// A value's name and type.
    struct NamedValueType {
        /// The name, unique in its scope.
        (1 string) name: String,
        /// The type.
        (2 message, optional) r#type: Option<Kept<ValueType>>,
    }
}

message! {
    /// The type of a value.
    struct ValueType {}
    /// What the value is.
    oneof kind: ValueTypeKind {
        /// A tensor, or a scalar.
        (1 message) Tensor(Kept<TensorType>),
        /// A list.
        (2 message) List(Box<Kept<ListType>>),
        /// A tuple.
        (3 message) Tuple(Kept<TupleType>),
        /// A dictionary.
        (4 message) Dictionary(Box<Kept<DictionaryType>>),
        /// A state.
        (5 message) State(Box<Kept<StateType>>),
    }
}

message! {
    /// The type of a tensor.
    struct TensorType {
        /// The element type, one of `MIL.proto`'s `DataType`.
        (1 int32) data_type: i32,
        /// The number of dimensions; negative if any number will do.
        (2 int64) rank: i64,
        /// The dimensions.
        (3 message, repeated) dimensions: Vec<Kept<Dimension>>,
        /// Anything about it.
        (4 message, repeated) attributes: Vec<Kept<AttributeEntry>>,
    }
}

message! {
    /// A dimension of a tensor.
    struct Dimension {}
    /// What is known of it.
    oneof dimension: DimensionKind {
        /// Its size.
        (1 message) Constant(Kept<ConstantDimension>),
        /// Nothing.
        (2 message) Unknown(Kept<UnknownDimension>),
    }
}

message! {
    /// A size that is known.
    struct ConstantDimension {
        /// The size.
        (1 uint64) size: u64,
    }
}

message! {
    /// A size that is known when the program runs.
    struct UnknownDimension {
        /// Whether any number of dimensions stands for it.
        (1 bool) variadic: bool,
    }
}

message! {
    /// The type of a list.
    struct ListType {
        /// Of its elements.
        (1 message, optional) r#type: Option<Kept<ValueType>>,
        /// How many there are.
        (2 message, optional) length: Option<Kept<Dimension>>,
    }
}

message! {
    /// The type of a tuple.
    struct TupleType {
        /// Of each element.
        (1 message, repeated) types: Vec<Kept<ValueType>>,
    }
}

message! {
    /// The type of a dictionary.
    struct DictionaryType {
        /// Of the keys.
        (1 message, optional) key_type: Option<Kept<ValueType>>,
        /// Of the values.
        (2 message, optional) value_type: Option<Kept<ValueType>>,
    }
}

message! {
    /// The type of a state.
    struct StateType {
        /// Of what it holds.
        (1 message, optional) wrapped_type: Option<Kept<ValueType>>,
    }
}

message! {
    /// A literal value.
    struct Value {
        /// A comment.
        (1 string) doc_string: String,
        /// Its type.
        (2 message, optional) r#type: Option<Kept<ValueType>>,
    }
    /// Where the elements are.
    oneof value: ValueKind {
        /// Here.
        (3 message) Immediate(Kept<ImmediateValue>),
        /// In a file of weights.
        (5 message) BlobFile(Kept<BlobFileValue>),
    }
}

message! {
    /// A value that stands in the program.
    struct ImmediateValue {}
    /// What the value is.
    oneof value: ImmediateKind {
        /// A tensor, or a scalar.
        (1 message) Tensor(Kept<TensorValue>),
        /// A tuple.
        (2 message) Tuple(Kept<TupleValue>),
        /// A list.
        (3 message) List(Kept<ListValue>),
        /// A dictionary.
        (4 message) Dictionary(Kept<DictionaryValue>),
    }
}

message! {
    /// A value that lies in a file of weights.
    struct BlobFileValue {
        /// The file: `@model_path/weights/weight.bin`.
        (1 string) file_name: String,
        /// The byte at which the record of the blob begins (not its data).
        (2 uint64) offset: u64,
    }
}

message! {
    /// The elements of a tensor, last dimension fastest. Which list holds a type is in [`TensorElements`].
    struct TensorValue {}
    /// The elements of a tensor.
    oneof value: TensorElements {
        /// FLOAT32.
        (1 message) Floats(Kept<RepeatedFloats>),
        /// INT32, INT16, UINT16.
        (2 message) Ints(Kept<RepeatedInts>),
        /// BOOL.
        (3 message) Bools(Kept<RepeatedBools>),
        /// STRING.
        (4 message) Strings(Kept<RepeatedStrings>),
        /// INT64, UINT64.
        (5 message) LongInts(Kept<RepeatedLongInts>),
        /// FLOAT64.
        (6 message) Doubles(Kept<RepeatedDoubles>),
        /// FLOAT16, INT8, UINT8, UINT32 and the types narrower than a byte: as they lie in memory, little-endian,
        /// those narrower than a byte packed as in a blob.
        (7 message) Bytes(Kept<RepeatedBytes>),
    }
}

message! {
    /// Numbers.
    struct RepeatedFloats {
        /// The elements.
        (1 float, repeated) values: Vec<f32>,
    }
}

message! {
    /// Numbers.
    struct RepeatedDoubles {
        /// The elements.
        (1 double, repeated) values: Vec<f64>,
    }
}

message! {
    /// Numbers.
    struct RepeatedInts {
        /// The elements.
        (1 int32, repeated) values: Vec<i32>,
    }
}

message! {
    /// Numbers.
    struct RepeatedLongInts {
        /// The elements.
        (1 int64, repeated) values: Vec<i64>,
    }
}

message! {
    /// Truth values.
    struct RepeatedBools {
        /// The elements.
        (1 bool, repeated) values: Vec<bool>,
    }
}

message! {
    /// Strings.
    struct RepeatedStrings {
        /// The elements.
        (1 string, repeated) values: Vec<String>,
    }
}

message! {
    /// Elements as they lie in memory.
    struct RepeatedBytes {
        /// The bytes. Decoding from [`Bytes`] shares them with the buffer.
        (1 bytes = "bytes") values: Bytes,
    }
}

message! {
    /// A list's elements.
    struct ListValue {
        /// The elements.
        (1 message, repeated) values: Vec<Kept<Value>>,
    }
}

message! {
    /// A tuple's elements.
    struct TupleValue {
        /// The elements.
        (1 message, repeated) values: Vec<Kept<Value>>,
    }
}

message! {
    /// A dictionary's entries.
    struct DictionaryValue {
        /// The entries.
        (1 message, repeated) values: Vec<Kept<KeyValuePair>>,
    }
}

message! {
    /// An entry of a dictionary.
    struct KeyValuePair {
        /// The key.
        (1 message, optional) key: Option<Kept<Value>>,
        /// The value.
        (2 message, optional) value: Option<Kept<Value>>,
    }
}
