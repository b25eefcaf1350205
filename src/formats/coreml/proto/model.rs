//! The model around a program: what it takes and gives, who made it. CT:mlmodel/format/Model.proto.

use super::{FeatureType, Kept, Program, message};

message! {
    /// A whole model: the contents of `model.mlmodel`.
    struct Model {
        /// The version of the format, and by it the first system that runs it: [`crate::coreml::target`].
        (1 int32) specification_version: i32,
        /// What goes in and comes out.
        (2 message, optional) description: Option<Kept<ModelDescription>>,
        /// Whether it can be trained on the device; an ML Program cannot.
        (10 bool) is_updatable: bool,
    }
    /// What the model is. The kinds other than ML Programs stay among the unknown fields: [`MODEL_KINDS`].
    oneof kind: ModelKind {
        /// An ML Program.
        (502 message) MlProgram(Kept<Program>),
    }
}

/// The field of an ML Program in [`Model`].
pub const ML_PROGRAM: u32 = 502;

/// The fields of [`Model`] that say what kind of model it is, and what users call the kind. Model.proto:292-411.
pub const MODEL_KINDS: &[(u32, &str)] = &[
    (200, "pipeline classifier"),
    (201, "pipeline regressor"),
    (202, "pipeline"),
    (300, "generalized linear regressor"),
    (301, "support vector regressor"),
    (302, "tree ensemble regressor"),
    (303, "neural network regressor"),
    (304, "Bayesian probit regressor"),
    (400, "generalized linear classifier"),
    (401, "support vector classifier"),
    (402, "tree ensemble classifier"),
    (403, "neural network classifier"),
    (404, "nearest neighbours classifier"),
    (500, "neural network"),
    (501, "item similarity recommender"),
    (ML_PROGRAM, "ML Program"),
    (555, "custom model"),
    (556, "linked model"),
    (560, "class confidence thresholding"),
    (600, "one-hot encoder"),
    (601, "imputer"),
    (602, "feature vectorizer"),
    (603, "dictionary vectorizer"),
    (604, "scaler"),
    (606, "categorical mapping"),
    (607, "normalizer"),
    (609, "array feature extractor"),
    (610, "non-maximum suppression"),
    (900, "identity"),
    (2000, "text classifier"),
    (2001, "word tagger"),
    (2002, "vision feature print"),
    (2003, "sound analysis preprocessing"),
    (2004, "gazetteer"),
    (2005, "word embedding"),
    (2006, "audio feature print"),
    (3000, "serialized model"),
];

message! {
    /// What a model takes and gives. With several functions, each has its own description instead.
    struct ModelDescription {
        /// Inputs, in the order callers see.
        (1 message, repeated) input: Vec<Kept<FeatureDescription>>,
        /// Outputs.
        (10 message, repeated) output: Vec<Kept<FeatureDescription>>,
        /// For classifiers: the output that is the class.
        (11 string) predicted_feature_name: String,
        /// For classifiers: the output with a probability for each class.
        (12 string) predicted_probabilities_name: String,
        /// States.
        (13 message, repeated) state: Vec<Kept<FeatureDescription>>,
        /// The functions, if there are several.
        (20 message, repeated) functions: Vec<Kept<FunctionDescription>>,
        /// The function that runs where none is named.
        (21 string) default_function_name: String,
        /// Inputs in training.
        (50 message, repeated) training_input: Vec<Kept<FeatureDescription>>,
        /// Who made it, and how.
        (100 message, optional) metadata: Option<Kept<Metadata>>,
    }
}

message! {
    /// What one of several functions takes and gives.
    struct FunctionDescription {
        /// Its name in the program.
        (1 string) name: String,
        /// Inputs.
        (2 message, repeated) input: Vec<Kept<FeatureDescription>>,
        /// Outputs.
        (3 message, repeated) output: Vec<Kept<FeatureDescription>>,
        /// For classifiers: the output that is the class.
        (4 string) predicted_feature_name: String,
        /// For classifiers: the output with a probability for each class.
        (5 string) predicted_probabilities_name: String,
        /// States.
        (6 message, repeated) state: Vec<Kept<FeatureDescription>>,
    }
}

message! {
    /// An input, output or state.
    struct FeatureDescription {
        /// Its name, that of the function's input or the block's output.
        (1 string) name: String,
        /// A sentence about it.
        (2 string) short_description: String,
        /// Its type.
        (3 message, optional) r#type: Option<Kept<FeatureType>>,
    }
}

message! {
    /// Who made a model, and how.
    struct Metadata {
        /// A sentence about it.
        (1 string) short_description: String,
        /// Its version.
        (2 string) version_string: String,
        /// Its author.
        (3 string) author: String,
        /// Its license.
        (4 string) license: String,
        /// Anything else: a map.
        (100 message, repeated) user_defined: Vec<Kept<UserDefinedEntry>>,
    }
}

message! {
    /// An entry of [`Metadata::user_defined`].
    struct UserDefinedEntry {
        /// The key, with the prefix of whoever writes it: `com.github.apple.coremltools.version`.
        (1 string) key: String,
        /// The value.
        (2 string) value: String,
    }
}
