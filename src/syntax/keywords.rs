//! The words that begin a statement or hold one together: the one table that the parser, completion,
//! documentation and the TextMate grammar read.

/// A word with a fixed place in the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyword {
    /// As written.
    pub word: &'static str,
    /// The form of what it begins.
    pub form: &'static str,
    /// What it is for, in one line.
    pub meaning: &'static str,
}

/// Words that begin a statement. A rule begins with a selector instead.
pub const STATEMENTS: &[Keyword] = &[
    Keyword { word: "model", form: "model \"PATH\"", meaning: "the model the recipe is for; a run may name another" },
    Keyword { word: "target", form: "target iOS18", meaning: "the oldest systems it must run on, or `none`" },
    Keyword { word: "compute", form: "compute all", meaning: "the processors it may run on" },
    Keyword { word: "precision", form: "precision fp16", meaning: "the compute precision of what stays in float" },
    Keyword { word: "arithmetic", form: "arithmetic torchao", meaning: "whose formula `symmetric` means" },
    Keyword {
        word: "threshold",
        form: "threshold 2048",
        meaning: "weights with no more elements than this stay as they are",
    },
    Keyword {
        word: "calibrate",
        form: "calibrate \"PATH\" { samples 128 }",
        meaning: "representative samples for activation ranges",
    },
    Keyword {
        word: "shapes",
        form: "shapes { INPUT [1, 64] }",
        meaning: "the shapes that inputs of an export have, one or several, where it leaves sizes open",
    },
    Keyword { word: "scheme", form: "scheme NAME = SCHEME", meaning: "a named scheme" },
    Keyword { word: "import", form: "import \"PATH\"", meaning: "the statements of another recipe" },
    Keyword { word: "extend", form: "extend \"PRESET\" { … }", meaning: "a built-in recipe with its parameters" },
    Keyword { word: "expect", form: "expect size <= 30%", meaning: "a test that the recipe carries" },
    Keyword {
        word: "output",
        form: "output \"PATH\"",
        meaning: "where a run writes when the command line names nothing",
    },
];

/// Words that join selectors and conditions. They name nothing else.
pub const CONNECTIVES: &[Keyword] = &[
    Keyword { word: "and", form: "A and B", meaning: "both" },
    Keyword { word: "or", form: "A or B", meaning: "either" },
    Keyword { word: "not", form: "not A", meaning: "the others" },
    Keyword { word: "where", form: "A where CONDITION", meaning: "those of A whose facts fit" },
];

/// Words with a meaning inside `expect` only.
pub const EXPECTATIONS: &[Keyword] = &[
    Keyword { word: "every", form: "expect every A quantized", meaning: "holds for each weight of A" },
    Keyword { word: "no", form: "expect no A quantized", meaning: "holds for no weight of A" },
    Keyword { word: "matches", form: "expect A matches 112", meaning: "how many weights A matches" },
    Keyword { word: "quantized", form: "expect every A quantized", meaning: "a rule changes the weight" },
    Keyword { word: "kept", form: "expect every A kept", meaning: "the weight stays as it is" },
];

/// What `expect` can measure.
pub const METRICS: &[Keyword] = &[
    Keyword {
        word: "size",
        form: "expect size <= 30%",
        meaning: "bytes after, in percent of the bytes before or in bytes",
    },
    Keyword { word: "bits", form: "expect bits <= 4.5", meaning: "average bits per weight of what was quantized" },
    Keyword {
        word: "sqnr",
        form: "expect sqnr >= 30 dB",
        meaning: "signal to quantization noise ratio of the weights",
    },
    Keyword {
        word: "accuracy drop",
        form: "expect accuracy drop <= 0.5%",
        meaning: "loss of top-1 accuracy in an evaluation",
    },
    Keyword {
        word: "perplexity rise",
        form: "expect perplexity rise <= 2%",
        meaning: "rise of perplexity in an evaluation",
    },
];

/// Parts of a scheme that take the value behind them as their operand.
pub const OPERAND_PARTS: &[Keyword] = &[
    Keyword { word: "scale", form: "scale fp16", meaning: "the type of the scales" },
    Keyword { word: "by", form: "by hqq", meaning: "how scales are chosen" },
    Keyword { word: "fit", form: "fit kmeans", meaning: "how a palette's entries are found" },
    Keyword { word: "entries", form: "entries int8", meaning: "the type of a palette's entries" },
    Keyword { word: "sparse", form: "sparse 50%", meaning: "pruning, joined to the rest: a share or n:m" },
    Keyword { word: "sparse-below", form: "sparse-below 0.001", meaning: "pruning of magnitudes below a bound" },
];

/// The word that begins the activations of a scheme.
pub const ACTIVATIONS: Keyword = Keyword {
    word: "activations",
    form: "int8 per-channel, activations uint8",
    meaning: "quantize activations too, statically",
};

/// Options of `calibrate`.
pub const CALIBRATION: &[Keyword] = &[
    Keyword { word: "samples", form: "samples 128", meaning: "how many samples are used; all when absent" },
    Keyword { word: "observer", form: "observer min-max", meaning: "how ranges of activations are observed" },
    Keyword {
        word: "averaging",
        form: "averaging 0.01",
        meaning: "the weight of a new batch in a moving average; 0.01 when absent",
    },
    Keyword {
        word: "observe",
        form: "observe float",
        meaning: "ranges come from a plain float pass, without fake quantization",
    },
];

/// Units that a number can carry.
pub const UNITS: &[Keyword] = &[
    Keyword { word: "%", form: "30%", meaning: "hundredths; stands directly behind its number" },
    Keyword { word: "k", form: "2k", meaning: "thousands" },
    Keyword { word: "M", form: "1.5M", meaning: "millions" },
    Keyword { word: "G", form: "1G", meaning: "thousands of millions" },
    Keyword { word: "B", form: "512B", meaning: "bytes" },
    Keyword { word: "kB", form: "64kB", meaning: "1000 bytes" },
    Keyword { word: "MB", form: "12MB", meaning: "1000 kB" },
    Keyword { word: "GB", form: "1.2GB", meaning: "1000 MB" },
    Keyword { word: "KiB", form: "64KiB", meaning: "1024 bytes" },
    Keyword { word: "MiB", form: "12MiB", meaning: "1024 KiB" },
    Keyword { word: "GiB", form: "1GiB", meaning: "1024 MiB" },
    Keyword { word: "dB", form: "30 dB", meaning: "decibels" },
    Keyword { word: "bits", form: "4.5 bits", meaning: "bits per weight" },
];
