//! A scheme while its parts are read, and how schemes that extend others are put together.

use super::scheme::{Field, Origins};
use super::source::{Place, Placed};
use crate::scheme::{
    ActivationScheme, Affine, FloatType, Granularity, Mapping, Palette, PaletteFit, ScaleSearch, Scheme, Sparsity,
    WeightScheme,
};

/// What the weights become, before the other parts are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Base {
    Keep,
    Affine { bits: u8, signed: bool },
    Palette { bits: u8 },
    Float(FloatType),
}

impl Base {
    /// What a word says.
    pub fn from_word(word: &str) -> Option<Base> {
        let bits = |digits: &str| match digits.as_bytes() {
            [digit @ b'1'..=b'8'] => Some(digit - b'0'),
            _ => None,
        };
        if word == "keep" {
            Some(Base::Keep)
        } else if let Some(digits) = word.strip_prefix("uint") {
            bits(digits).map(|bits| Base::Affine { bits, signed: false })
        } else if let Some(digits) = word.strip_prefix("int") {
            bits(digits).map(|bits| Base::Affine { bits, signed: true })
        } else if let Some(digits) = word.strip_prefix("lut") {
            bits(digits).map(|bits| Base::Palette { bits })
        } else {
            FloatType::from_word(word).map(Base::Float)
        }
    }
}

/// A scheme while its parts are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub base: Option<Placed<Base>>,
    pub granularity: Option<Placed<Granularity>>,
    pub mapping: Option<Placed<Mapping>>,
    pub scale: Option<Placed<FloatType>>,
    pub by: Option<Placed<ScaleSearch>>,
    pub fit: Option<Placed<PaletteFit>>,
    pub entries: Option<Placed<bool>>,
    pub vector: Option<Placed<u32>>,
    pub scaled: Option<Placed<()>>,
    pub sparse: Option<Placed<Sparsity>>,
    pub activations: Option<Placed<ActivationScheme>>,
    /// Something in it could not be told, so that no scheme comes of it.
    pub broken: bool,
}

impl Draft {
    /// Where each matter is settled, in the order of [`Field`].
    fn places(&self) -> [(Field, Option<Place>); 11] {
        [
            (Field::Base, self.base.map(|p| p.place)),
            (Field::Granularity, self.granularity.as_ref().map(|p| p.place)),
            (Field::Mapping, self.mapping.map(|p| p.place)),
            (Field::Scale, self.scale.map(|p| p.place)),
            (Field::By, self.by.map(|p| p.place)),
            (Field::Fit, self.fit.map(|p| p.place)),
            (Field::Entries, self.entries.map(|p| p.place)),
            (Field::Vector, self.vector.map(|p| p.place)),
            (Field::Scaled, self.scaled.map(|p| p.place)),
            (Field::Sparse, self.sparse.map(|p| p.place)),
            (Field::Activations, self.activations.map(|p| p.place)),
        ]
    }

    /// Where a matter is settled.
    pub fn place(&self, field: Field) -> Option<Place> {
        self.places().into_iter().find(|(f, _)| *f == field).and_then(|(_, place)| place)
    }

    /// Where the parts are written.
    pub fn origins(&self) -> Origins {
        Origins(self.places().into_iter().filter_map(|(field, place)| Some((field, place?))).collect())
    }

    /// The first matter that both settle, each at a place of its own, with the place here.
    pub fn clash(&self, other: &Draft) -> Option<(Field, Place)> {
        let mut both = self.places().into_iter().zip(other.places());
        let differ = |one: &Place, another: Option<Place>| another.is_some_and(|another| another != *one);
        both.find_map(|((field, one), (_, another))| Some((field, one.filter(|one| differ(one, another))?)))
    }

    /// Whether something of it needs a base: everything but pruning and activations, which stand alone too.
    pub fn needs_base(&self) -> bool {
        let stands_alone = |field| matches!(field, Field::Base | Field::Sparse | Field::Activations);
        self.places().into_iter().any(|(field, place)| place.is_some() && !stands_alone(field))
    }

    /// What is left of it for a scheme that says other things itself: not what that replaces, nor what does not
    /// go with its base. `scheme p = w4 lut4` has no use for the mapping of `w4`.
    pub fn beneath(self, own: &Draft) -> Draft {
        let base = own.base.map(|b| b.value);
        let is_affine = matches!(base, None | Some(Base::Affine { .. }));
        let is_palette = matches!(base, None | Some(Base::Palette { .. }));
        let is_kept = base == Some(Base::Keep);
        let rest = |field: Field, fits: bool| fits && own.place(field).is_none();
        Draft {
            base: self.base.filter(|_| rest(Field::Base, true)),
            granularity: self.granularity.filter(|_| rest(Field::Granularity, is_affine || is_palette)),
            mapping: self.mapping.filter(|_| rest(Field::Mapping, is_affine)),
            scale: self.scale.filter(|_| rest(Field::Scale, is_affine)),
            by: self.by.filter(|_| rest(Field::By, is_affine)),
            fit: self.fit.filter(|_| rest(Field::Fit, is_palette)),
            entries: self.entries.filter(|_| rest(Field::Entries, is_palette)),
            vector: self.vector.filter(|_| rest(Field::Vector, is_palette)),
            scaled: self.scaled.filter(|_| rest(Field::Scaled, is_palette)),
            sparse: self.sparse.filter(|_| rest(Field::Sparse, !is_kept)),
            activations: self.activations.filter(|_| rest(Field::Activations, !is_kept)),
            broken: self.broken,
        }
    }

    /// Both together, what is said here first.
    pub fn join(self, other: Draft) -> Draft {
        Draft {
            base: self.base.or(other.base),
            granularity: self.granularity.or(other.granularity),
            mapping: self.mapping.or(other.mapping),
            scale: self.scale.or(other.scale),
            by: self.by.or(other.by),
            fit: self.fit.or(other.fit),
            entries: self.entries.or(other.entries),
            vector: self.vector.or(other.vector),
            scaled: self.scaled.or(other.scaled),
            sparse: self.sparse.or(other.sparse),
            activations: self.activations.or(other.activations),
            broken: self.broken || other.broken,
        }
    }

    /// The scheme, every default filled in.
    pub fn scheme(&self) -> Scheme {
        let granularity = |default| self.granularity.as_ref().map_or(default, |g| g.value.clone());
        let weights = match self.base.map(|b| b.value) {
            None if self.sparse.is_some() => WeightScheme::Sparse,
            None | Some(Base::Keep) => WeightScheme::Keep,
            Some(Base::Float(float)) => WeightScheme::Float(float),
            Some(Base::Affine { bits, signed }) => WeightScheme::Affine(Affine {
                bits,
                signed,
                granularity: granularity(Granularity::PerChannel(None)),
                mapping: self.mapping.map_or(Mapping::Symmetric, |m| m.value),
                scale: self.scale.map(|s| s.value),
                by: self.by.map_or(ScaleSearch::MinMax, |b| b.value),
            }),
            Some(Base::Palette { bits }) => WeightScheme::Palette(Palette {
                bits,
                granularity: granularity(Granularity::PerTensor),
                vector: self.vector.map_or(1, |v| v.value),
                int8_entries: self.entries.is_some_and(|e| e.value),
                scaled: self.scaled.is_some(),
                fit: self.fit.map_or(PaletteFit::Kmeans, |f| f.value),
            }),
        };
        Scheme { weights, sparse: self.sparse.map(|s| s.value), activations: self.activations.map(|a| a.value) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::recipe::problem::ProblemKind;
    use crate::recipe::source::NoImports;
    use crate::recipe::{Recipe, resolve};

    /// The scheme of the last rule of a recipe, or what is wrong with the recipe.
    #[track_caller]
    fn scheme(text: &str) -> Result<String, ProblemKind> {
        let Recipe { rules, mut problems, .. } = resolve(Path::new("a.bitmill"), text, &NoImports);
        assert!(problems.len() <= 1, "{text}: {problems:?}");
        match (problems.pop(), rules.last().and_then(|rule| rule.scheme.as_ref())) {
            (Some(problem), _) => Err(problem.kind),
            (None, scheme) => Ok(scheme.unwrap().to_string()),
        }
    }

    #[track_caller]
    fn conflict(text: &str, field: &str) {
        match scheme(text) {
            Err(ProblemKind::Conflict { field: found, .. }) => assert_eq!(found.name(), field, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn several_schemes_join_where_each_matter_comes_from_one() {
        let two = "scheme p = sparse 50%\nscheme w = int8 per-group(32)\n";
        for rule in ["linear => p w", "linear => w p"] {
            assert_eq!(scheme(&format!("{two}{rule}\n")).unwrap(), "int8 per-group(32) symmetric sparse 50%");
        }
        // What the scheme says itself has the last word, and the same word twice is no clash.
        assert_eq!(scheme(&format!("{two}linear => p w int4\n")).unwrap(), "int4 per-group(32) symmetric sparse 50%");
        let shared = "scheme p = sparse 50%\nscheme x = p int8\nscheme y = p, activations uint8\nlinear => x y\n";
        assert_eq!(scheme(shared).unwrap(), "int8 per-channel symmetric sparse 50%, activations uint8");
    }

    #[test]
    fn several_schemes_clash_where_two_settle_one_matter() {
        conflict("scheme a = int8\nscheme b = int4\nlinear => a b\n", "what the weights become");
        conflict("scheme a = sparse 50%\nscheme b = int4 sparse 2:4\nlinear => b a\n", "the pruning");
        for rule in ["linear => k p", "linear => p k"] {
            let found = scheme(&format!("scheme k = keep\nscheme p = sparse 50%\n{rule}\n"));
            assert!(matches!(found, Err(ProblemKind::NotForThis { ref part, .. }) if part == "p"), "{rule}: {found:?}");
        }
    }

    #[test]
    fn parts_without_a_base_are_never_dropped() {
        let parts = ["by hqq", "vector(2)", "scaled", "fit uniform", "entries int8", "symmetric", "scale fp16"];
        for part in parts {
            for text in [format!("linear => sparse 50% {part}\n"), format!("scheme s = {part}, activations uint8\n")] {
                let found = resolve(Path::new("a.bitmill"), &text, &NoImports).problems.pop();
                assert!(found.is_some_and(|problem| matches!(problem.kind, ProblemKind::NoBase)), "{text}");
            }
        }
        assert_eq!(scheme("linear => sparse 50%, activations uint8\n").unwrap(), "sparse 50%, activations uint8");
    }

    #[test]
    fn a_new_base_drops_what_it_has_no_use_for() {
        let text = "scheme w = int4 per-group(32) asymmetric scale fp16\nlinear => w lut4\n";
        assert_eq!(scheme(text).unwrap(), "lut4 per-group(32)");
        let text = "scheme w = int4 sparse 50%, activations uint8\nlinear => w keep\n";
        assert_eq!(scheme(text).unwrap(), "keep");
    }
}
