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

    /// The inverse of the root of each channel's variance. All of this is computed in binary32 and in PyTorch's order
    /// (`torch.nn.utils.fusion.fuse_conv_bn_weights`), so that weights are those that its tools quantize.
    fn roots(&self, tensors: &dyn Tensors) -> Result<Vec<f32>, String> {
        let variance = Self::read(tensors, &self.variance)?;
        Ok(variance.iter().map(|variance| 1.0 / (variance + self.epsilon as f32).sqrt()).collect())
    }

    /// The weight with the normalization in it.
    pub(super) fn weight(&self, tensors: &dyn Tensors) -> Result<Vec<f32>, String> {
        let gamma = self.gamma.as_ref().map(|gamma| Self::read(tensors, gamma)).transpose()?;
        let roots = self.roots(tensors)?;
        let scales = roots.iter().enumerate().map(|(channel, root)| at(&gamma, channel, 1.0) * root);
        let mut weight = Self::read(tensors, &self.weight)?;
        let run = weight.len() / roots.len().max(1);
        for (values, scale) in weight.chunks_exact_mut(run.max(1)).zip(scales) {
            values.iter_mut().for_each(|value| *value *= scale);
        }
        Ok(weight)
    }

    /// The bias that goes with it.
    pub(super) fn bias(&self, tensors: &dyn Tensors) -> Result<Vec<f32>, String> {
        let mean = Self::read(tensors, &self.mean)?;
        let read = |stored: &Option<Stored>| stored.as_ref().map(|one| Self::read(tensors, one)).transpose();
        let (bias, gamma, beta) = (read(&self.bias)?, read(&self.gamma)?, read(&self.beta)?);
        let one = |((channel, root), mean): ((usize, f32), &f32)| {
            (at(&bias, channel, 0.0) - mean) * root * at(&gamma, channel, 1.0) + at(&beta, channel, 0.0)
        };
        Ok(self.roots(tensors)?.into_iter().enumerate().zip(&mean).map(one).collect())
    }
}

/// The value of a channel; a default where there are none, NaN where there are too few.
fn at(values: &Option<Vec<f32>>, channel: usize, default: f32) -> f32 {
    values.as_ref().map_or(default, |values| values.get(channel).copied().unwrap_or(f32::NAN))
}
