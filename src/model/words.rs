//! What models say in sentences and outputs: formats, roles, how a kind is known. Every face shows these words.

use super::{KnownBy, Model, ModelFormat, Role, Weight};

impl ModelFormat {
    /// In one word, the same in every output.
    pub const fn word(self) -> &'static str {
        match self {
            ModelFormat::Safetensors => "safetensors",
            ModelFormat::Shards => "shards",
            ModelFormat::HuggingFace => "hugging-face",
            ModelFormat::Packed => "packed",
            ModelFormat::Export => "pt2",
            ModelFormat::MlPackage => "mlpackage",
            ModelFormat::Listing => "listing",
        }
    }
}

impl KnownBy {
    /// Every way, the surest first.
    pub const ALL: [KnownBy; 4] = [KnownBy::Architecture, KnownBy::Program, KnownBy::Name, KnownBy::Shape];

    /// In one word, the same in every output.
    pub const fn word(self) -> &'static str {
        match self {
            KnownBy::Architecture => "architecture",
            KnownBy::Program => "program",
            KnownBy::Name => "name",
            KnownBy::Shape => "shape",
        }
    }

    /// To stand behind "its kind is known".
    pub const fn phrase(self) -> &'static str {
        match self {
            KnownBy::Architecture => "by the architecture in config.json",
            KnownBy::Program => "by the program",
            KnownBy::Name => "by name",
            KnownBy::Shape => "by shape alone",
        }
    }
}

impl Role {
    /// In one word, the same in every output.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Weight => "weight",
            Role::Bias => "bias",
            Role::Buffer => "buffer",
        }
    }
}

impl Weight {
    /// The module's name, where that says as much as the full one.
    pub fn short_name(&self) -> &str {
        if self.parameter() == "weight" && self.module_len > 0 { self.module() } else { &self.name }
    }
}

impl Model {
    /// How the kinds of its weights are known, and of how many each: `by name (40), by shape alone (3)`.
    pub fn kinds_known(&self) -> String {
        let weights = || self.weights.iter().filter(|weight| weight.role == Role::Weight);
        let told = KnownBy::ALL.iter().filter_map(|known| {
            let many = weights().filter(|weight| weight.known_by == *known).count();
            (many > 0).then(|| format!("{} ({many})", known.phrase()))
        });
        told.collect::<Vec<_>>().join(", ")
    }
}
