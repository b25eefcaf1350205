//! A model written down: for examples, documentation and tests.

use std::path::PathBuf;

use super::kinds::Names;
use super::{KnownBy, Location, Model, ModelFormat, Weight, share_kinds};
use crate::dtype::DType;
use crate::formats::natural::natural_order;
use crate::kind::Kind;

/// A tensor as it is written down.
struct Row {
    name: String,
    kind: Option<Kind>,
    shape: Vec<usize>,
    dtype: DType,
    tied: Vec<String>,
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
    /// # Errors
    /// Says which line cannot be read and why.
    pub fn listing(text: &str) -> Result<Model, String> {
        let mut rows: Vec<Row> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if line.is_empty() {
                continue;
            }
            let why = |what: String| format!("line {}: {what}", number + 1);
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or("");
            let (mut kind, mut shape, mut dtype, mut tied) = (None, None, DType::F32, Vec::new());
            for word in words {
                if let Some(other) = word.strip_prefix("tied=") {
                    tied.push(other.to_string());
                } else if let Some((known, ..)) = Kind::ALL.iter().find(|(_, w, ..)| *w == word) {
                    kind = Some(*known);
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
                rows.push(Row { name, kind, shape: shape.clone(), dtype, tied: tied.clone() });
            }
        }
        let names = Names::new(None, rows.iter().map(|row| row.name.as_str()));
        let of_row = |Row { name, kind, shape, dtype, tied }: &Row| {
            let told = names.tell(name, shape);
            let elements: u64 = shape.iter().map(|&d| d as u64).product();
            Weight {
                name: name.clone(),
                tied: tied.clone(),
                module_len: name.rfind('.').unwrap_or(0),
                kind: kind.unwrap_or(told.kind),
                known_by: if kind.is_some() { KnownBy::Program } else { told.known_by },
                role: told.role,
                transposed: false,
                shape: shape.clone(),
                dtype: *dtype,
                bytes: elements * dtype.bits() as u64 / 8,
                compressed: None,
                location: Location::default(),
            }
        };
        let mut weights: Vec<Weight> = rows.iter().map(of_row).collect();
        weights.sort_by(|a, b| natural_order(&a.name, &b.name));
        share_kinds(&mut weights);
        Ok(Model {
            path: PathBuf::from("listing"),
            format: ModelFormat::Listing,
            files: Vec::new(),
            architecture: None,
            weights,
            packed: Default::default(),
            program: None,
        })
    }
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
