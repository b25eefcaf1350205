//! A model written down: for examples, documentation and tests.

use std::path::PathBuf;
use std::sync::Arc;

use super::kinds::Names;
use super::program::{Feature, ProgramFacts, ProgramFault, Shapes, Uses};
use super::refused::Refused;
use super::{Compressed, KnownBy, Location, Method, Model, ModelFormat, Weight, share_kinds};
use crate::dtype::DType;
use crate::element::ElementType;
use crate::formats::natural::natural_order;
use crate::graph::aten::Refusal;
use crate::graph::aten::shapes::Takes;
use crate::graph::aten::{Dim, Expr, Range};
use crate::graph::function::Opset;
use crate::kind::Kind;
use crate::scheme::Granularity;

/// A tensor as it is written down.
struct Row {
    name: String,
    kind: Option<Kind>,
    shape: Vec<usize>,
    dtype: DType,
    tied: Vec<String>,
    uses: Uses,
    compressed: Option<Compressed>,
}

impl Model {
    /// Reads a model as it is written down: a tensor a line, its name, perhaps its kind, its shape and type,
    /// perhaps another name for it. `{0..3}` stands for a line for each number.
    ///
    /// ```text
    /// embed.weight                     embedding  256x64  fp16  tied=head.weight
    /// layers.{0..3}.mlp.up_proj.weight            192x64  fp16
    /// ```
    ///
    /// A listing that begins with `export` describes an exported program of PyTorch, and may say which inputs it takes:
    /// `input tokens 1xn`, `range n 1 128`; or what of it cannot be converted:
    /// `refused aten.sort.default sort of=head at=model.py:12 why=words`. One that begins with `program`, an operator set and perhaps `fp32` describes
    /// a Core ML package. Further lines may then say what else there is to its program, and weights how it takes them:
    ///
    /// ```text
    /// program CoreML6
    /// input tokens int32 range          # or `enumerated`; also `output` and `state`
    /// functions 2
    /// classifier
    /// operator my_attention             # one that is not known
    /// long logits 32000                 # an operation and the longest dimension of what it computes
    /// fault CoreML7,CoreML8 resize upsample: `mode` is unknown
    /// head.weight  linear  64x64  fp16  also=embedding  axes=1,0  handed-out  compressed
    /// ```
    ///
    /// # Errors
    /// Says which line cannot be read and why.
    pub fn listing(text: &str) -> Result<Model, String> {
        let mut rows: Vec<Row> = Vec::new();
        let mut program: Option<ProgramFacts> = None;
        let mut format = ModelFormat::Listing;
        let mut refused = Vec::new();
        let mut takes: Option<Takes> = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if line.is_empty() {
                continue;
            }
            if line == "export" {
                format = ModelFormat::Export;
                takes = Some(Takes::default());
                continue;
            }
            let why = move |what: String| format!("line {}: {what}", number + 1);
            if let Some(rest) = line.strip_prefix("refused ") {
                refused.push(read_refusal(rest).ok_or_else(|| why(format!("`{rest}` is no refusal")))?);
                continue;
            }
            if read_program_line(&mut program, line).map_err(why)?
                || takes.as_mut().is_some_and(|takes| read_taken(takes, line))
            {
                continue;
            }
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or("");
            let (mut kind, mut shape, mut dtype, mut tied) = (None, None, DType::F32, Vec::new());
            let (mut uses, mut compressed) = (Uses::default(), None);
            for word in words {
                if program.is_some() && read_use(word, &mut uses) {
                    continue;
                }
                if program.is_some() && word == "compressed" {
                    let method = Method::Palette { vector: 1, int8_entries: false, scaled: false };
                    compressed =
                        Some(Compressed { method, bits: 4, sharing: Some(Granularity::PerTensor), sparse: None });
                } else if let Some(other) = word.strip_prefix("tied=") {
                    tied.push(other.to_string());
                } else if let Some(known) = Kind::by_word(word) {
                    kind = Some(known);
                } else if let Some((known, ..)) = DType::NAMES.iter().find(|(.., w)| *w == word) {
                    dtype = *known;
                } else if let Some(read) = read_shape(word) {
                    shape = Some(read);
                } else {
                    return Err(why(format!("`{word}` is no kind, no shape and no type")));
                }
            }
            let shape = shape.ok_or_else(|| why("there is no shape such as 64x64".into()))?;
            for name in expand(name).map_err(why)? {
                rows.push(Row {
                    name,
                    kind,
                    shape: shape.clone(),
                    dtype,
                    tied: tied.clone(),
                    uses: uses.clone(),
                    compressed: compressed.clone(),
                });
            }
        }
        let names = Names::new(None, rows.iter().map(|row| row.name.as_str()));
        let of_row = |Row { name, kind, shape, dtype, tied, uses, compressed }: &Row| {
            let told = names.tell(name, shape);
            let elements: u64 = shape.iter().map(|&d| d as u64).product();
            let weight = Weight {
                name: name.clone(),
                tied: tied.clone(),
                module_len: name.rfind('.').unwrap_or(0),
                kind: kind.unwrap_or(told.kind),
                known_by: if kind.is_some() || program.is_some() { KnownBy::Program } else { told.known_by },
                role: told.role,
                transposed: false,
                groups: None,
                shape: shape.clone(),
                dtype: *dtype,
                bytes: elements * dtype.bits() as u64 / 8,
                halved: None,
                compressed: compressed.clone(),
                location: Location::default(),
            };
            let mut uses = uses.clone();
            uses.kinds.insert(0, weight.kind);
            uses.axes.splice(..0, weight.channel_axis().zip(weight.input_axis()));
            (weight, uses)
        };
        let mut all: Vec<(Weight, Uses)> = rows.iter().map(of_row).collect();
        all.sort_by(|a, b| natural_order(&a.0.name, &b.0.name));
        let (mut weights, uses): (Vec<Weight>, Vec<Uses>) = all.into_iter().unzip();
        share_kinds(&mut weights);
        if let Some(program) = &mut program {
            program.uses = uses;
        }
        Ok(Model {
            path: PathBuf::from("listing"),
            format: if program.is_some() { ModelFormat::MlPackage } else { format },
            files: Vec::new(),
            architecture: None,
            weights,
            packed: Default::default(),
            program: None,
            export: None,
            facts: program,
            refused: Arc::new(Refused::told(refused)),
            takes,
            counted: Default::default(),
        })
    }
}

/// Reads what is said about an operation that cannot be converted.
fn read_refusal(text: &str) -> Option<Refusal> {
    let (before, why) = text.split_once(" why=")?;
    let mut words = before.split_whitespace();
    let (what, name) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut module, mut line) = (None, None);
    for word in words {
        match word.split_once('=')? {
            ("of", path) => module = Some(path.to_owned()),
            ("at", place) => line = Some(place.replacen(':', ", line ", 1)),
            _ => return None,
        }
    }
    Some(Refusal { what, name, module, line, why: why.to_owned() })
}

/// Reads a line that says something about a program; whether it is one. Such lines begin with `program`.
fn read_program_line(program: &mut Option<ProgramFacts>, line: &str) -> Result<bool, String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let Some(facts) = program else {
        let mut words = rest.split_whitespace();
        if word != "program" {
            return Ok(false);
        }
        let set = words.next().unwrap_or("");
        let mut facts = ProgramFacts { set: Opset::by_name(set), functions: 1, ..ProgramFacts::default() };
        if facts.set.is_none() {
            facts.unknown_sets.push(set.to_owned());
        }
        facts.has_fp16 = words.next() != Some("fp32");
        *program = Some(facts);
        return Ok(true);
    };
    let wrong = || format!("`{rest}` is nothing that `{word}` takes");
    match word {
        "input" => facts.inputs.push(read_feature(rest).ok_or_else(wrong)?),
        "output" => facts.outputs.push(read_feature(rest).ok_or_else(wrong)?),
        "state" => facts.states.push(read_feature(rest).ok_or_else(wrong)?),
        "functions" => facts.functions = rest.parse().map_err(|_| wrong())?,
        "classifier" => facts.is_classifier = true,
        "operator" => facts.unknown_operators.push(rest.to_owned()),
        "long" => {
            let (operation, length) = rest.split_once(' ').ok_or_else(wrong)?;
            facts.long.push((operation.to_owned(), length.parse().map_err(|_| wrong())?));
        }
        "fault" => {
            let mut words = rest.splitn(3, ' ');
            let (sets, operator, what) =
                (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().ok_or_else(wrong)?);
            let sets = sets.split(',').map(Opset::by_name).collect::<Option<_>>().ok_or_else(wrong)?;
            let operation = what.split(':').next().unwrap_or("").to_owned();
            let what = format!("function `main`: {operator} {what}");
            let (operator, key) = (operator.to_owned(), what.clone());
            facts.listed_faults.push((sets, ProgramFault { operation, operator, what, key }));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Reads a line that says what an export takes; whether it is one.
fn read_taken(takes: &mut Takes, line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let dim = |word: &str| match word.parse() {
        Ok(size) => Dim::Known(size),
        Err(_) => Dim::Symbolic { expr: Expr::Symbol(word.into()), hint: None },
    };
    match words[..] {
        ["input", name, shape] => takes.inputs.push((name.into(), shape.split('x').map(dim).collect())),
        ["range", symbol, min, max] => {
            takes.ranges.push((symbol.into(), Range { min: min.parse().ok(), max: max.parse().ok() }));
        }
        _ => return false,
    }
    true
}

/// `tokens int32 range`
fn read_feature(text: &str) -> Option<Feature> {
    let mut words = text.split_whitespace();
    let name = words.next()?.to_owned();
    let element = ElementType::by_name(words.next()?);
    let shapes = match words.next() {
        None => Shapes::Fixed,
        Some("enumerated") => Shapes::Enumerated,
        Some("range") => Shapes::Range,
        Some(_) => return None,
    };
    Some(Feature { name, element, shapes })
}

/// Reads how a program takes a weight; whether the word says that.
fn read_use(word: &str, uses: &mut Uses) -> bool {
    if word == "handed-out" {
        uses.is_output = true;
    } else if let Some(also) = word.strip_prefix("also=")
        && let Some(kind) = Kind::by_word(also)
    {
        uses.kinds.push(kind);
    } else if let Some((output, input)) = word.strip_prefix("axes=").and_then(|axes| axes.split_once(','))
        && let (Ok(output), Ok(input)) = (output.parse(), input.parse())
    {
        uses.axes.push((output, input));
    } else {
        return false;
    }
    true
}

/// `64x64`; `scalar` for no dimensions. At most 2^40 elements, so that sizes never overflow.
fn read_shape(word: &str) -> Option<Vec<usize>> {
    if word == "scalar" {
        return Some(Vec::new());
    }
    let shape: Vec<usize> = word.split('x').map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let elements = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64))?;
    (elements <= 1 << 40).then_some(shape)
}

/// One name for each number of `{a..b}`; the name itself when there is none.
fn expand(name: &str) -> Result<Vec<String>, String> {
    let Some((head, (range, tail))) = name.split_once('{').and_then(|(h, r)| Some((h, r.split_once('}')?))) else {
        return Ok(vec![name.to_string()]);
    };
    let bounds = range.split_once("..").and_then(|(a, b)| Some((a.parse::<u32>().ok()?, b.parse::<u32>().ok()?)));
    match bounds {
        Some((from, to)) if from <= to && to - from < 1_000_000 => {
            Ok((from..=to).map(|n| format!("{head}{n}{tail}")).collect())
        }
        _ => Err(format!("`{{{range}}}` is no range of numbers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_weights() {
        let text = "embed.weight embedding 256x64 fp16 tied=head.weight\nlayers.{0..11}.up_proj.weight 192x64 # wide\nnorm.weight 64\n";
        let model = Model::listing(text).unwrap();
        assert_eq!(model.weights.len(), 14);
        assert_eq!(model.weights[12].name, "layers.11.up_proj.weight");
        assert_eq!(model.weights[0].tied, ["head.weight"]);
        assert_eq!(model.weights[1].bytes, 192 * 64 * 4);
        assert_eq!(model.weights[13].kind, Kind::Norm);
        assert!(Model::listing("a.weight 3y4").unwrap_err().contains("line 1"));
        assert!(Model::listing("a.weight 99999999999x99999999999").is_err());
    }
}
