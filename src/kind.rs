//! Kinds of operators and modules: what `linear`, `embedding` and the like in a recipe stand for.

use std::fmt;

/// Declares the kinds with their words, whether they own weights, and what they are.
macro_rules! kinds {
    ($($variant:ident = $word:literal, $weights:literal, $doc:literal;)+) => {
        /// What an operator or module is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $(#[doc = $doc] $variant),+ }

        impl Kind {
            /// Every kind with the word that recipes use, whether it owns weights that can be quantized,
            /// and what it is.
            pub const ALL: &'static [(Kind, &'static str, bool, &'static str)] =
                &[$((Kind::$variant, $word, $weights, $doc)),+];

            /// The kind of a word.
            pub fn by_word(word: &str) -> Option<Kind> {
                Self::ALL.iter().find(|(_, known, ..)| *known == word).map(|(kind, ..)| *kind)
            }

            /// The word that recipes use.
            pub const fn word(self) -> &'static str {
                match self { $(Kind::$variant => $word),+ }
            }
        }
    };
}

kinds! {
    Linear = "linear", true, "fully connected layers: `torch.nn.Linear`, Core ML's `linear`";
    Embedding = "embedding", true, "tables looked up by index: `torch.nn.Embedding`, Core ML's `gather`";
    Conv1d = "conv1d", true, "one-dimensional convolutions";
    Conv2d = "conv2d", true, "two-dimensional convolutions";
    Conv3d = "conv3d", true, "three-dimensional convolutions";
    ConvTranspose = "conv-transpose", true, "transposed convolutions of any rank";
    Matmul = "matmul", true, "matrix products, with a constant side where they own a weight";
    Lstm = "lstm", true, "long short-term memory layers";
    Gru = "gru", true, "gated recurrent units";
    Rnn = "rnn", true, "plain recurrent layers";
    Norm = "norm", false, "layer, batch, group, instance and RMS normalisation";
    Add = "add", false, "additions";
    Mul = "mul", false, "products of elements";
    MaxPool = "max-pool", false, "maximum pooling";
    AvgPool = "avg-pool", false, "average pooling, adaptive or not, and means";
    Flatten = "flatten", false, "flattening of dimensions";
    Activation = "activation", false, "activation functions: relu, gelu, silu, sigmoid, tanh and the like";
    Softmax = "softmax", false, "softmax";
    Attention = "attention", false, "scaled dot-product attention";
    Other = "other", true, "what has none of the names above";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word of a selector: one kind, or a group of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KindWord {
    /// Every weight that can be quantized.
    All,
    /// Convolutions of one, two and three dimensions.
    Conv,
    /// Exactly this kind.
    One(Kind),
}

impl KindWord {
    /// The groups that recipes can name, and what each holds.
    pub const GROUPS: &'static [(KindWord, &'static str, &'static str)] = &[
        (KindWord::All, "all", "everything that can be quantized"),
        (KindWord::Conv, "conv", "`conv1d`, `conv2d` and `conv3d`"),
    ];

    /// What a word of a recipe names.
    pub fn from_word(word: &str) -> Option<KindWord> {
        Self::GROUPS
            .iter()
            .find(|(_, w, _)| *w == word)
            .map(|(k, _, _)| *k)
            .or_else(|| Kind::by_word(word).map(KindWord::One))
    }

    /// Every word that recipes can use, with its meaning.
    pub fn words() -> impl Iterator<Item = (&'static str, &'static str)> {
        let groups = Self::GROUPS.iter().map(|(_, w, doc)| (*w, *doc));
        groups.chain(Kind::ALL.iter().map(|(_, w, _, doc)| (*w, *doc)))
    }

    /// The word that recipes use.
    pub fn word(self) -> &'static str {
        match self {
            KindWord::All => "all",
            KindWord::Conv => "conv",
            KindWord::One(kind) => kind.word(),
        }
    }

    /// Whether the word covers a kind.
    pub fn covers(self, kind: Kind) -> bool {
        match self {
            KindWord::All => true,
            KindWord::Conv => matches!(kind, Kind::Conv1d | Kind::Conv2d | Kind::Conv3d),
            KindWord::One(one) => one == kind,
        }
    }
}
