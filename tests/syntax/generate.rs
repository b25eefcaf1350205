//! Recipes without mistakes, made at random, and texts that are nearly recipes.

use proptest::prelude::*;

/// A recipe with one of everything, for tests that change it bit by bit.
pub const SAMPLE: &str = r#"# A recipe with one of everything.
model     "llama/"  # the model
target    iOS18, macOS15
compute   cpu-and-ne
threshold 2k
calibrate "c.safetensors" { samples 128  observer min-max }
shapes { tokens [[1, 32], [1, 64]] }
extend "preset" {
  bits 3  # few
  block [16, -1]
}
scheme w4 = int4 per-group(32) symmetric scale fp16, activations uint8

embedding                          => int8 per-channel
linear and not (conv or "*.q\"")   => w4 sparse 2:4
linear where in_features % 32 != 0 => lut4 block[16, -1] fit kmeans
(linear,
  /a\/b/) => keep

expect size <= 30%
expect linear sqnr >= 30 dB
expect every linear where rank == 2 quantized
expect conv matches 3
"#;

fn word() -> impl Strategy<Value = String> {
    let usual = ["linear", "embedding", "conv2d", "max-pool", "w4", "int4", "fp8-e4m3", "min-max", "größe", "_x"];
    prop::sample::select(usual.to_vec()).prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = String> {
    let usual = ["0", "32", "-1", "0.5", "30%", "2k", "1.5M", "1_000", "12MB", "1e3"];
    prop::sample::select(usual.to_vec()).prop_map(str::to_owned)
}

fn literal() -> impl Strategy<Value = String> {
    let usual = [r#""*.q_proj""#, r#""a\"b\\""#, r#""""#, r#""h.{0,1}[0-9]? x""#, r#""ä😀""#];
    prop::sample::select(usual.to_vec()).prop_map(str::to_owned)
}

fn term() -> impl Strategy<Value = String> {
    prop_oneof![word(), number(), literal(), (word(), number()).prop_map(|(a, b)| format!("{a} % {b}"))]
}

fn joined(inner: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = String> {
    prop_oneof![
        (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
        (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} or {b}")),
        inner.clone().prop_map(|a| format!("not {a}")),
        inner.prop_map(|a| format!("({a})")),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(["==", "!=", "<", "<=", ">", ">=", "="].to_vec());
    let comparison = (term(), operator, term()).prop_map(|(a, o, b)| format!("{a} {o} {b}"));
    comparison.prop_recursive(3, 6, 2, joined)
}

fn selector() -> impl Strategy<Value = String> {
    let atom = prop_oneof![word(), literal(), Just(r"/(a|b)\/.*/".to_owned())];
    let item = atom.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![joined(inner.clone()), (inner, condition()).prop_map(|(a, c)| format!("({a} where {c})"))]
    });
    let item = (item, prop::option::of(condition()));
    let item = item.prop_map(|(a, c)| c.map_or(a.clone(), |c| format!("{a} where {c}")));
    prop::collection::vec(item, 1..3).prop_map(|items| items.join(", "))
}

fn list() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![word(), number(), literal()], 1..4).prop_map(|values| values.join(", "))
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        word(),
        (word(), list()).prop_map(|(a, l)| format!("{a}({l})")),
        (word(), list()).prop_map(|(a, l)| format!("{a}[{l}]")),
        word().prop_map(|a| format!("scale {a}")),
        word().prop_map(|a| format!("by {a}")),
        Just("sparse 2:4".to_owned()),
        Just("sparse 50%".to_owned()),
    ]
}

fn scheme() -> impl Strategy<Value = String> {
    let activations = prop::option::of(prop::collection::vec(word(), 1..3));
    (prop::collection::vec(part(), 1..4), activations).prop_map(|(parts, activations)| {
        let activations = activations.map_or(String::new(), |words| format!(", activations {}", words.join(" ")));
        parts.join(" ") + &activations
    })
}

fn options() -> impl Strategy<Value = String> {
    let value = prop_oneof![word(), number(), literal(), list().prop_map(|l| format!("[{l}]"))];
    let entry = (word(), value).prop_map(|(key, value)| format!("{key} {value}"));
    let separator = prop::sample::select([" ", ", ", "\n  ", " # why\n  ", "\n\n  "].to_vec());
    let block = (prop::collection::vec(entry, 0..4), separator);
    block.prop_map(|(entries, separator)| format!("{{ {} }}", entries.join(separator)))
}

/// One statement without mistakes.
pub fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (selector(), scheme()).prop_map(|(a, s)| format!("{a} => {s}")),
        1 => literal().prop_map(|p| format!("model {p}")),
        1 => prop::collection::vec(word(), 1..3).prop_map(|w| format!("target {}", w.join(", "))),
        1 => word().prop_map(|w| format!("compute {w}")),
        1 => number().prop_map(|n| format!("threshold {n}")),
        1 => (literal(), prop::option::of(options()))
            .prop_map(|(p, o)| format!("calibrate {p} {}", o.unwrap_or_default()).trim_end().to_owned()),
        1 => options().prop_map(|o| format!("shapes {o}")),
        1 => (literal(), options()).prop_map(|(p, o)| format!("extend {p} {o}")),
        1 => (word(), scheme()).prop_map(|(n, s)| format!("scheme {n} = {s}")),
        1 => number().prop_map(|n| format!("expect size <= {n}")),
        1 => (selector(), number()).prop_map(|(a, n)| format!("expect {a} sqnr >= {n}")),
        1 => (selector(), number()).prop_map(|(a, n)| format!("expect {a} matches {n}")),
        1 => (selector(), scheme()).prop_map(|(a, s)| format!("expect {a} => {s}")),
        1 => selector().prop_map(|a| format!("expect every {a} quantized")),
        1 => selector().prop_map(|a| format!("(\n   {a}\n) => int4")),
        1 => scheme().prop_map(|s| format!("linear =>\n    {s}")),
    ]
}

/// A recipe without mistakes, in a careless hand.
pub fn recipe() -> impl Strategy<Value = String> {
    let ends = prop::sample::select(["\n", "\n\n\n", "  # a comment  \n", "\n# alone\n", "\r\n", "\n   "].to_vec());
    prop::collection::vec((statement(), ends, 1..4usize), 0..8).prop_map(|statements| {
        let mut text = String::new();
        for (statement, end, blanks) in statements {
            text += &statement.replace(' ', &" ".repeat(blanks));
            text += end;
        }
        text
    })
}

/// A text that is nearly a recipe: pieces cut out, put in and doubled.
pub fn mutated() -> impl Strategy<Value = String> {
    let pieces = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "=>",
        "=",
        ",",
        "\"",
        "/",
        "#",
        "\n",
        "\n  ",
        "\r\n",
        "\r",
        " ",
        "\t",
        ":",
        "%",
        "and",
        "not",
        "where",
        "linear",
        "expect",
        "target iOS18",
        "model \"x\"",
        "scheme",
        "12",
        "1e999",
        "\\",
        "'",
        "\u{feff}",
        "€",
        "😀",
        "\0",
        "->",
        "//",
        "*",
        ";",
        "activations",
        "{\n",
        "a.b",
        "\u{a0}",
        "-",
    ];
    let change = (any::<prop::sample::Index>(), 0..6usize, prop::sample::select(pieces.to_vec()));
    let base = prop_oneof![recipe(), Just(SAMPLE.to_owned()), "\\PC{0,40}"];
    (base, prop::collection::vec(change, 0..8)).prop_map(|(text, changes)| {
        let mut characters: Vec<char> = text.chars().collect();
        for (at, removed, inserted) in changes {
            let at = at.index(characters.len() + 1);
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, inserted.chars());
        }
        characters.into_iter().collect()
    })
}
