//! Batch normalization folded into the convolution before it.

use super::Tensors;
use super::constants::floats;
use crate::graph::Name;
use crate::graph::aten::ScalarType;

/// A tensor of the archive.
pub(super) type Stored = (Name, ScalarType);

/// A convolution and the normalization of what it gives.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    /// The convolution's weight; output channels are its first dimension.
    pub(super) weight: Stored,
    /// The convolution's bias.
    pub(super) bias: Option<Stored>,
    /// What the normalization multiplies with.
    pub(super) gamma: Option<Stored>,
    /// What it adds.
    pub(super) beta: Option<Stored>,
    /// What it subtracts.
    pub(super) mean: Stored,
    /// What it divides by the root of.
    pub(super) variance: Stored,
    /// What is added to the variance.
    pub(super) epsilon: f64,
}

impl Fold {
    fn read(tensors: &dyn Tensors, (name, dtype): &Stored) -> Result<Vec<f32>, String> {
        floats(name, *dtype, tensors)
    }

    /// What each output channel is multiplied with.
    fn scales(&self, tensors: &dyn Tensors) -> Result<Vec<f64>, String> {
        let variance = Self::read(tensors, &self.variance)?;
        let gamma = self.gamma.as_ref().map(|gamma| Self::read(tensors, gamma)).transpose()?;
        let scale = |(channel, variance): (usize, &f32)| {
            let gamma = gamma.as_ref().map_or(1.0, |gamma| gamma.get(channel).copied().map_or(f64::NAN, f64::from));
            gamma / (f64::from(*variance) + self.epsilon).sqrt()
        };
        Ok(variance.iter().enumerate().map(scale).collect())
    }

    /// The weight with the normalization in it.
    pub(super) fn weight(&self, tensors: &dyn Tensors) -> Result<Vec<f32>, String> {
        let scales = self.scales(tensors)?;
        let mut weight = Self::read(tensors, &self.weight)?;
        let run = weight.len() / scales.len().max(1);
        for (values, scale) in weight.chunks_exact_mut(run.max(1)).zip(scales) {
            values.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        }
        Ok(weight)
    }

    /// The bias that goes with it.
    pub(super) fn bias(&self, tensors: &dyn Tensors) -> Result<Vec<f32>, String> {
        let mean = Self::read(tensors, &self.mean)?;
        let read = |stored: &Option<Stored>| stored.as_ref().map(|one| Self::read(tensors, one)).transpose();
        let (bias, beta) = (read(&self.bias)?, read(&self.beta)?);
        let at = |values: &Option<Vec<f32>>, channel: usize| {
            values.as_ref().map_or(0.0, |values| values.get(channel).copied().map_or(f64::NAN, f64::from))
        };
        let one = |((channel, scale), mean): ((usize, f64), &f32)| {
            ((at(&bias, channel) - f64::from(*mean)) * scale + at(&beta, channel)) as f32
        };
        Ok(self.scales(tensors)?.into_iter().enumerate().zip(&mean).map(one).collect())
    }
}
