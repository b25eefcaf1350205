//! From the smallest and the largest value of a block to its scale and zero point.

use super::AffineSpec;
use super::encode::{Coding, rint, to_code};
use crate::quant::element::Element;
use crate::quant::error::QuantError;
use crate::quant::simd::multiversion;
use crate::scheme::{Arithmetic, Mapping, ScaleSearch};

/// The smallest and the largest value of every block, as bit patterns: see [`Element::Signed`].
///
/// Each starts at zero, since upstream's ranges always include it. A NaN is greater than infinity in both
/// orders, so it is never lost.
pub(super) struct Ranges<T: Element> {
    pub highest: Vec<T::Signed>,
    pub lowest: Vec<T::Unsigned>,
}

impl<T: Element> Ranges<T> {
    pub fn new(groups: usize) -> Self {
        Self { highest: vec![T::Signed::default(); groups], lowest: vec![T::Unsigned::default(); groups] }
    }

    /// Widens each range by another's.
    pub fn include(&mut self, other: &Self) {
        for (mine, theirs) in self.highest.iter_mut().zip(&other.highest) {
            *mine = (*mine).max(*theirs);
        }
        for (mine, theirs) in self.lowest.iter_mut().zip(&other.lowest) {
            *mine = (*mine).max(*theirs);
        }
    }
}

/// The smallest and the largest value of a block, zero included. Both are NaN if one element is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub min: f32,
    pub max: f32,
}

impl Extent {
    #[inline(always)]
    pub fn new<T: Element>(highest: T::Signed, lowest: T::Unsigned) -> Self {
        let max = T::from_signed_bits(highest).to_f32();
        let least = T::from_unsigned_bits(lowest).to_f32();
        // Without a negative element the unsigned order gives the largest one, or NaN.
        let min = if least > 0.0 { 0.0 } else { least };
        Self { min: if max.is_nan() { max } else { min }, max: if min.is_nan() { min } else { max } }
    }
}

/// How one block is coded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    /// A value of the scales' type.
    pub scale: f32,
    /// What weights are multiplied by (torchao) or divided by (coremltools).
    pub factor: f32,
    pub zero_point: i32,
    /// See [`super::Quantized::dead_blocks`].
    pub dead: bool,
}

/// A scheme's numbers, made ready for the kernels.
#[derive(Debug, Clone)]
pub(super) struct Formula {
    pub arithmetic: Arithmetic,
    mapping: Mapping,
    /// The lowest and the highest code, with half the range added if codes are unsigned.
    pub lowest: i32,
    pub highest: i32,
    /// The code of zero in symmetric mappings.
    middle: i32,
    /// torchao's least scale.
    least_scale: f32,
}

impl Formula {
    pub fn new(spec: &AffineSpec, least_scale: f32) -> Result<Self, QuantError> {
        if !(1..=8).contains(&spec.bits) {
            return Err(QuantError::Bits(spec.bits));
        }
        let mapping = match (spec.search, spec.mapping) {
            (ScaleSearch::Hqq, _) => Mapping::Symmetric,
            (_, mapping) => mapping,
        };
        let half = 1i32 << (spec.bits - 1);
        let middle = match spec.signed {
            true => 0,
            false => half,
        };
        let (mut lowest, mut highest, mut middle) = (middle - half, middle + half - 1, middle);
        if spec.arithmetic == Arithmetic::Coremltools && mapping != Mapping::Asymmetric {
            if spec.bits == 1 {
                return Err(QuantError::SingleCode);
            }
            if spec.signed {
                lowest += 1;
            } else {
                highest -= 1;
                middle -= 1;
            }
        }
        Ok(Self { arithmetic: spec.arithmetic, mapping, lowest, highest, middle, least_scale })
    }

    /// The code of zero where the mapping does not ask the weights.
    pub fn middle(&self) -> i32 {
        self.middle
    }

    /// The scales and zero points of blocks with these ranges; `S` is the type of the scales.
    ///
    /// # Errors
    /// In coremltools' arithmetic, if a range or a scale is not finite.
    pub fn scales<T: Element, S: Element>(&self, ranges: &Ranges<T>) -> Result<Coding, QuantError> {
        let mut coding = Coding::new(self, ranges.highest.len());
        coding.divide = self.arithmetic == Arithmetic::Coremltools;
        choose::<T, S>(self, ranges, &mut coding);
        if coding.divide && !coding.scales.iter().all(|s| s.is_finite()) {
            return Err(QuantError::NonFinite);
        }
        Ok(coding)
    }

    /// How a block with this extent is coded.
    #[inline(always)]
    pub fn choice<T: Element, S: Element>(&self, extent: Extent) -> Choice {
        match self.arithmetic {
            Arithmetic::Torchao => self.torchao::<T, S>(extent),
            Arithmetic::Coremltools => self.coremltools::<T, S>(extent),
        }
    }

    #[inline(always)]
    fn torchao<T: Element, S: Element>(&self, Extent { min, max }: Extent) -> Choice {
        let steps = (self.highest - self.lowest) as f32;
        let magnitude = if -min > max { -min } else { max };
        let scale = match self.mapping {
            Mapping::Symmetric => T::round(magnitude / (steps / 2.0)),
            Mapping::SymmetricNoClipping => {
                let below = T::round(min / (self.lowest - self.middle) as f32);
                let above = T::round(max / (self.highest - self.middle) as f32);
                if below > above { below } else { above }
            }
            Mapping::Asymmetric => T::round(T::round(max - min) / steps),
        };
        let scale = if scale < self.least_scale { self.least_scale } else { scale };
        let zero_point = match self.mapping {
            Mapping::Asymmetric => {
                let below_zero = -T::round(min / scale);
                to_code(below_zero, self.lowest, self.lowest, self.highest)
            }
            _ => self.middle,
        };
        let scale = S::round(scale);
        Choice { scale, factor: S::round(1.0 / scale), zero_point, dead: magnitude == 0.0 || scale == 0.0 }
    }

    #[inline(always)]
    fn coremltools<T: Element, S: Element>(&self, extent: Extent) -> Choice {
        let steps = (self.highest - self.lowest) as f32;
        let Extent { min, max } = match self.mapping {
            Mapping::Asymmetric => extent,
            _ => {
                let magnitude = if -extent.min > extent.max { -extent.min } else { extent.max };
                Extent { min: -magnitude, max: magnitude }
            }
        };
        let range = T::round(max - min);
        let scale = if range.is_finite() {
            T::round(range / steps)
        } else {
            let range = f64::from(max) - f64::from(min);
            T::round((range / f64::from(steps)) as f32)
        };
        let scale = S::round(scale);
        let dead = scale == 0.0;
        let scale = if dead { 1.0 } else { scale };
        let zero_point = match self.mapping {
            Mapping::Asymmetric if dead => 0.clamp(self.lowest, self.highest),
            Mapping::Asymmetric => self.coremltools_zero_point::<T>(min, max, range),
            _ => self.middle,
        };
        Choice { scale, factor: scale, zero_point, dead }
    }

    #[inline(always)]
    fn coremltools_zero_point<T: Element>(&self, min: f32, max: f32, range: f32) -> i32 {
        let (lowest, highest) = (self.lowest as f32, self.highest as f32);
        let difference = T::round(T::round(lowest * max) - T::round(highest * min));
        let quotient = T::round(difference / range);
        let exact = if quotient.is_finite() {
            quotient
        } else {
            let (min, max) = (f64::from(min), f64::from(max));
            ((f64::from(lowest) * max - f64::from(highest) * min) / (max - min)) as f32
        };
        rint(exact).clamp(self.lowest, self.highest)
    }
}

multiversion! {
    fn choose<T: Element, S: Element>(formula: &Formula, ranges: &Ranges<T>, coding: &mut Coding) {
        let outputs = coding
            .scales
            .iter_mut()
            .zip(&mut coding.factors)
            .zip(&mut coding.zero_points);
        let inputs = ranges.highest.iter().zip(&ranges.lowest);
        let mut dead = 0;
        for (((scale, factor), zero_point), (highest, lowest)) in outputs.zip(inputs) {
            let choice = formula.choice::<T, S>(Extent::new::<T>(*highest, *lowest));
            *scale = choice.scale;
            *factor = choice.factor;
            *zero_point = choice.zero_point;
            dead += usize::from(choice.dead);
        }
        coding.dead_blocks = dead;
    }
}
