//! Schemes as written to schemes as types.

use super::draft::{Base, Draft};
use super::problem::ProblemKind;
use super::resolve::Resolver;
use super::source::{FileId, Place, Placed};
use crate::scheme::{ActivationScheme, FloatType, Granularity, Mapping, PaletteFit, ScaleSearch, Scheme, Sparsity};
use crate::syntax::tree::{self, Number, Operand, Part, Value, Word};
use crate::words::count;

/// A matter that a part of a scheme decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `int4`, `lut3`, `fp16`, `keep`
    Base,
    /// `per-channel`, `per-group(32)`, `block[…]`, …
    Granularity,
    /// `symmetric`, …
    Mapping,
    /// `scale fp16`
    Scale,
    /// `by hqq`
    By,
    /// `fit uniform`
    Fit,
    /// `entries int8`
    Entries,
    /// `vector(2)`
    Vector,
    /// `scaled`
    Scaled,
    /// `sparse 50%`
    Sparse,
    /// `activations uint8`
    Activations,
}

impl Field {
    /// What it is called in a sentence.
    pub const fn name(self) -> &'static str {
        match self {
            Field::Base => "what the weights become",
            Field::Granularity => "the granularity",
            Field::Mapping => "the mapping",
            Field::Scale => "the type of the scales",
            Field::By => "how scales are chosen",
            Field::Fit => "how entries are found",
            Field::Entries => "the type of the entries",
            Field::Vector => "the length of a vector",
            Field::Scaled => "the scale per channel",
            Field::Sparse => "the pruning",
            Field::Activations => "the activations",
        }
    }
}

/// Where the parts of a scheme are written; those of a named scheme are at its definition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origins(pub(super) Vec<(Field, Place)>);

impl Origins {
    /// Where a matter is decided; `None` when the default holds.
    pub fn get(&self, field: Field) -> Option<Place> {
        self.0.iter().find(|(f, _)| *f == field).map(|(_, place)| *place)
    }
}

/// Every word that says what weights become, with its meaning.
pub fn base_words() -> Vec<(String, String)> {
    let mut all = vec![("keep".to_string(), "leave the weight as it is, byte for byte".to_string())];
    for bits in (1..=8).rev() {
        all.push((format!("int{bits}"), format!("signed integers of {} with scales", count(bits, "bit"))));
    }
    for bits in (1..=8).rev() {
        all.push((
            format!("uint{bits}"),
            format!("unsigned integers of {} with scales and zero points", count(bits, "bit")),
        ));
    }
    for bits in (1..=8).rev() {
        all.push((format!("lut{bits}"), format!("{bits}-bit indices into a table of {} values", 1 << bits)));
    }
    all.extend(FloatType::ALL.iter().map(|(_, word, doc)| (word.to_string(), doc.trim().to_string())));
    all
}

/// The other words of schemes that stand alone or with arguments, with form and meaning. Words with operands
/// are in [`keywords::OPERAND_PARTS`](crate::syntax::keywords::OPERAND_PARTS), mappings in [`Mapping::ALL`].
pub const PART_WORDS: &[(&str, &str, &str)] = &[
    ("per-tensor", "per-tensor", "one scale or table for the whole weight"),
    ("per-channel", "per-channel", "one scale or table for each output channel; `per-channel(1)` names the axis"),
    ("per-group", "per-group(32)", "one scale for so many neighbours along the input channels"),
    ("per-grouped-channel", "per-grouped-channel(16)", "one table for so many output channels"),
    ("block", "block[16, -1]", "one scale or table for each block of this extent; -1 is the whole axis"),
    ("vector", "vector(2)", "palette entries of so many values"),
    ("scaled", "scaled", "a scale for each output channel beside the palette"),
];

/// A scheme, its parts' places, and the draft that later schemes may extend.
pub(super) struct Resolved {
    pub scheme: Option<Scheme>,
    pub origins: Origins,
    pub draft: Draft,
}

/// Reads a scheme as written in a file.
pub(super) fn resolve(resolver: &mut Resolver, file: FileId, written: &tree::Scheme) -> Resolved {
    let mut reader = Reader { resolver, file, own: Draft::default(), inherited: Vec::new() };
    for part in &written.parts {
        reader.part(part);
    }
    if let Some(activations) = &written.activations {
        reader.activations(activations);
    }
    reader.finish(Place::new(file, written.span))
}

/// What pruning goes with.
const NOT_KEPT: &str = "everything but `keep`";

struct Reader<'r, 'a> {
    resolver: &'r mut Resolver<'a>,
    file: FileId,
    /// What this scheme says itself.
    own: Draft,
    /// What each named scheme says that it extends, where that is named.
    inherited: Vec<Placed<Draft>>,
}

/// Sets a field of the draft, or reports that another part of the same scheme has set it.
macro_rules! set {
    ($self:ident, $slot:ident, $field:expr, $value:expr, $place:expr) => {{
        match &$self.own.$slot {
            Some(first) => {
                let first = first.place;
                $self.problem($place, ProblemKind::Conflict { field: $field, first });
            }
            None => $self.own.$slot = Some(Placed::new($value, $place)),
        }
    }};
}

impl Reader<'_, '_> {
    fn place(&self, span: crate::syntax::Span) -> Place {
        Place::new(self.file, span)
    }

    fn problem(&mut self, place: Place, kind: ProblemKind) {
        self.own.broken = true;
        self.resolver.problem(place, kind);
    }

    fn part(&mut self, part: &Part) {
        let place = self.place(part.span);
        let word = part.word.value.as_str();
        if let Some(arguments) = &part.arguments
            && self.takes_no_arguments(word)
        {
            let arguments = self.place(arguments.span);
            return self.problem(arguments, bad(word, "nothing in brackets", Some(String::new())));
        }
        if let Some(base) = Base::from_word(word) {
            set!(self, base, Field::Base, base, place);
        } else if let Some(mapping) = Mapping::from_word(word) {
            set!(self, mapping, Field::Mapping, mapping, place);
        } else if PART_WORDS.iter().any(|(known, ..)| *known == word) {
            self.shape_part(part, place);
        } else if crate::syntax::keywords::OPERAND_PARTS.iter().any(|k| k.word == word) {
            self.operand_part(part, place);
        } else if let Some(draft) = self.resolver.use_scheme(word, self.place(part.word.span)) {
            self.inherited.push(Placed::new(draft, place));
        } else {
            let kind = self.resolver.unknown_part(self.file, &part.word);
            let place = self.place(part.word.span);
            self.problem(place, kind);
        }
    }

    /// Whether a word has a meaning, and none in which brackets follow it.
    fn takes_no_arguments(&self, word: &str) -> bool {
        matches!(word, "per-tensor" | "scaled")
            || Base::from_word(word).is_some()
            || Mapping::from_word(word).is_some()
            || crate::syntax::keywords::OPERAND_PARTS.iter().any(|k| k.word == word)
            || self.resolver.is_scheme(word)
    }

    fn shape_part(&mut self, part: &Part, place: Place) {
        let word = part.word.value.as_str();
        let arguments = part.arguments.as_ref().map(|a| a.value.as_slice());
        let granularity = match (word, arguments) {
            ("scaled", _) => {
                set!(self, scaled, Field::Scaled, (), place);
                return;
            }
            ("vector", _) => {
                let must = "one whole number from 2 to 64, the values in an entry: `vector(2)`";
                match whole(arguments) {
                    Some(n @ 2..=64) => set!(self, vector, Field::Vector, n as u32, place),
                    _ => self.problem(place, bad(word, must, Some("vector(2)".into()))),
                }
                return;
            }
            ("per-tensor", _) => Granularity::PerTensor,
            ("per-channel", None) => Granularity::PerChannel(None),
            ("per-channel", _) => match whole(arguments) {
                Some(axis @ 0..=15) => Granularity::PerChannel(Some(axis as usize)),
                _ => {
                    let must = "nothing or the number of one axis: `per-channel(0)`";
                    return self.problem(place, bad(word, must, Some("per-channel".into())));
                }
            },
            ("per-group", _) => match whole(arguments) {
                Some(n @ 1..=0x7fff_ffff) => Granularity::PerGroup(n as usize),
                _ => {
                    let must = "one whole number of at least 1, the size of a group: `per-group(32)`";
                    return self.problem(place, bad(word, must, Some("per-group(32)".into())));
                }
            },
            ("per-grouped-channel", _) => match whole(arguments) {
                Some(n @ 1..=0x7fff_ffff) => Granularity::PerGroupedChannel(n as usize),
                _ => {
                    let must = "one whole number of at least 1, the channels of a table: `per-grouped-channel(16)`";
                    return self.problem(place, bad(word, must, Some("per-grouped-channel(16)".into())));
                }
            },
            _ => match extents(arguments) {
                Some(extents) => Granularity::Block(extents),
                None => {
                    let must = "one whole number for each axis, -1 for all of it: `block[16, -1]`";
                    return self.problem(place, bad(word, must, Some("block[16, -1]".into())));
                }
            },
        };
        set!(self, granularity, Field::Granularity, granularity, place);
    }

    fn operand_part(&mut self, part: &Part, place: Place) {
        let Some(operand) = &part.operand else {
            // The parser has reported what is missing.
            self.own.broken = true;
            return;
        };
        let operand_place = self.place(operand.span());
        match (part.word.value.as_str(), operand) {
            ("scale", Operand::Word(w)) => match FloatType::from_word(&w.value) {
                Some(float @ (FloatType::Fp16 | FloatType::Fp32 | FloatType::Bf16)) => {
                    set!(self, scale, Field::Scale, float, place);
                }
                _ => self.choice("scale", w, &["fp16", "fp32", "bf16"]),
            },
            ("by", Operand::Word(w)) => match ScaleSearch::from_word(&w.value) {
                Some(by) => set!(self, by, Field::By, by, place),
                None => self.choice("by", w, &words(ScaleSearch::ALL)),
            },
            ("fit", Operand::Word(w)) => match PaletteFit::from_word(&w.value) {
                Some(fit) => set!(self, fit, Field::Fit, fit, place),
                None => self.choice("fit", w, &words(PaletteFit::ALL)),
            },
            ("entries", Operand::Word(w)) => match w.value.as_str() {
                "int8" => set!(self, entries, Field::Entries, true, place),
                "fp16" | "float" => set!(self, entries, Field::Entries, false, place),
                _ => self.choice("entries", w, &["int8", "fp16"]),
            },
            ("sparse-below", Operand::Number(n)) if n.unit.is_empty() && n.value >= 0.0 => {
                set!(self, sparse, Field::Sparse, Sparsity::Below(n.value), place);
            }
            ("sparse", Operand::Number(n)) if n.unit == "%" && (0.0..=100.0).contains(&n.value) => {
                set!(self, sparse, Field::Sparse, Sparsity::Share(n.value / 100.0), place);
            }
            ("sparse", Operand::Number(n)) => {
                let must = "a share from 0% to 100%, or zeros in a group such as 2:4";
                let is_share = n.unit.is_empty() && (0.0..=1.0).contains(&n.value);
                let instead = is_share.then(|| crate::scheme::percent(n.value));
                self.problem(operand_place, bad("sparse", must, instead));
            }
            ("sparse", Operand::Ratio(r)) => match (plain(&r.value.0), plain(&r.value.1)) {
                (Some(n), Some(m @ 1..=4096)) => {
                    set!(self, sparse, Field::Sparse, Sparsity::Ratio { n: n as usize, m: m as usize }, place);
                }
                _ => {
                    let must = "two whole numbers, zeros and group size: `sparse 2:4`";
                    self.problem(operand_place, bad("sparse", must, Some("2:4".into())));
                }
            },
            (word, _) => {
                let must = match word {
                    "sparse" => "a share such as 50% or zeros in a group such as 2:4",
                    "sparse-below" => "the magnitude below which values become zero: `sparse-below 0.001`",
                    _ => "a word behind it, such as `scale fp16`, `by hqq`, `fit uniform` or `entries int8`",
                };
                self.problem(operand_place, bad(word, must, None));
            }
        }
    }

    fn choice(&mut self, setting: &'static str, word: &Word, choices: &[&'static str]) {
        let place = self.place(word.span);
        let word = word.value.clone();
        self.problem(place, ProblemKind::UnknownChoice { setting, word, choices: choices.to_vec() });
    }

    fn activations(&mut self, written: &tree::Activations) {
        let place = self.place(written.span);
        let (mut base, mut mapping) = (None, None);
        for word in &written.parts {
            let at = self.place(word.span);
            let slot_taken = |first: Place| ProblemKind::Conflict { field: Field::Activations, first };
            if let Some(known) = Mapping::from_word(&word.value) {
                match mapping {
                    Some(Placed { place: first, .. }) => self.problem(at, slot_taken(first)),
                    None => mapping = Some(Placed::new(known, at)),
                }
                continue;
            }
            let known = match (word.value.as_str(), Base::from_word(&word.value)) {
                ("dynamic", _) => Some(ActivationScheme::Dynamic),
                (_, Some(Base::Affine { bits, signed })) => {
                    Some(ActivationScheme::Static { signed, bits, mapping: None })
                }
                _ => None,
            };
            match (known, base) {
                (None, _) => {
                    let choices = ["uint8", "int8", "symmetric", "asymmetric"];
                    self.choice("activations", word, &choices);
                }
                (Some(_), Some(Placed { place: first, .. })) => self.problem(at, slot_taken(first)),
                (Some(known), None) => base = Some(Placed::new(known, at)),
            }
        }
        let scheme = match base.map(|b| b.value) {
            Some(ActivationScheme::Static { signed, bits, .. }) => {
                ActivationScheme::Static { signed, bits, mapping: mapping.map(|m| m.value) }
            }
            Some(ActivationScheme::Dynamic) => ActivationScheme::Dynamic,
            // `activations` with a mapping alone means upstream's type; with nothing, the parser has spoken.
            None => ActivationScheme::Static { signed: false, bits: 8, mapping: mapping.map(|m| m.value) },
        };
        set!(self, activations, Field::Activations, scheme, place);
    }

    fn finish(mut self, place: Place) -> Resolved {
        let inherited = self.inherited();
        if let Some(base) = self.own.base.or(inherited.base) {
            self.check_family(base);
        }
        let mut draft = self.own.join(inherited);
        let stands_alone = (draft.sparse.is_some() || draft.activations.is_some()) && !draft.needs_base();
        if draft.base.is_none() && !stands_alone && !draft.broken {
            self.resolver.problem(place, ProblemKind::NoBase);
            draft.broken = true;
        }
        Resolved { scheme: (!draft.broken).then(|| draft.scheme()), origins: draft.origins(), draft }
    }

    /// What the named schemes say together, beneath what this one says itself. Each matter may come from one of
    /// them.
    fn inherited(&mut self) -> Draft {
        let mut all = Draft::default();
        let mut pruned_at = None;
        for Placed { value: draft, place } in std::mem::take(&mut self.inherited) {
            let draft = draft.beneath(&self.own);
            let clash = all.clash(&draft);
            if let Some((field, first)) = clash {
                self.problem(place, ProblemKind::Conflict { field, first });
            }
            let was_told = all.base.is_some() && all.sparse.is_some();
            pruned_at = pruned_at.or(draft.sparse.map(|_| place));
            all = all.join(draft);
            if let (Some(base @ Placed { value: Base::Keep, .. }), Some(pruned_at)) = (all.base, pruned_at)
                && clash.is_none()
                && !was_told
            {
                self.not_for_this(pruned_at, base, NOT_KEPT);
            }
        }
        all
    }

    fn not_for_this(&mut self, place: Place, base: Placed<Base>, goes_with: &'static str) {
        let part = self.resolver.recipe.text(place).to_string();
        let base = Placed::new(self.resolver.recipe.text(base.place).to_string(), base.place);
        self.problem(place, ProblemKind::NotForThis { part, base, goes_with });
    }

    /// Parts that this scheme says itself must go with what the weights become.
    fn check_family(&mut self, base: Placed<Base>) {
        let affine = "integers such as `int4`";
        let palette = "palettes such as `lut4`";
        let both = "integers such as `int4` and palettes such as `lut4`";
        let is_affine = matches!(base.value, Base::Affine { .. });
        let is_palette = matches!(base.value, Base::Palette { .. });
        let parts = [
            (self.own.granularity.as_ref().map(|p| p.place), is_affine || is_palette, both),
            (self.own.mapping.map(|p| p.place), is_affine, affine),
            (self.own.scale.map(|p| p.place), is_affine, affine),
            (self.own.by.map(|p| p.place), is_affine, affine),
            (self.own.fit.map(|p| p.place), is_palette, palette),
            (self.own.entries.map(|p| p.place), is_palette, palette),
            (self.own.vector.map(|p| p.place), is_palette, palette),
            (self.own.scaled.map(|p| p.place), is_palette, palette),
            (self.own.sparse.map(|p| p.place), base.value != Base::Keep, NOT_KEPT),
        ];
        for (part_place, fits, goes_with) in parts {
            if let Some(part_place) = part_place
                && !fits
            {
                self.not_for_this(part_place, base, goes_with);
            }
        }
    }
}

fn bad(owner: &str, must: &'static str, instead: Option<String>) -> ProblemKind {
    ProblemKind::BadValue { owner: owner.to_string(), must, instead }
}

fn words<T: Copy>(table: &'static [(T, &'static str, &'static str)]) -> Vec<&'static str> {
    table.iter().map(|(_, word, _)| *word).collect()
}

/// A whole number without a unit.
fn plain(number: &Number) -> Option<i64> {
    let whole = number.unit.is_empty() && number.value.fract() == 0.0 && number.value.abs() < 1e15;
    whole.then_some(number.value as i64)
}

/// The one whole number in brackets.
fn whole(arguments: Option<&[Value]>) -> Option<i64> {
    match arguments {
        Some([Value::Number(number)]) => plain(number),
        _ => None,
    }
}

/// The extents of a block: positive, or -1 and 0 for a whole axis.
fn extents(arguments: Option<&[Value]>) -> Option<Vec<Option<usize>>> {
    let values = arguments.filter(|values| (1..=8).contains(&values.len()))?;
    let extent = |value: &Value| match value {
        Value::Number(number) => match plain(number)? {
            -1 | 0 => Some(None),
            n @ 1..=0x7fff_ffff => Some(Some(n as usize)),
            _ => None,
        },
        _ => None,
    };
    values.iter().map(extent).collect()
}

/// `[16, -1]` as the value of an option.
pub(super) fn block_option(value: &Value) -> Option<Vec<Option<usize>>> {
    match value {
        Value::List(list) => extents(Some(&list.value)),
        _ => None,
    }
}
