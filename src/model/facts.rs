//! Facts about one weight that conditions of a recipe ask for, told from its kind and its shape.

use crate::kind::Kind;

use super::{Role, Weight};

impl Weight {
    /// The axis of the output channels: the one that `per-channel` gives a scale each.
    ///
    /// 0 as PyTorch stores linear, embedding (its rows), convolution and recurrent weights; 1 for transposed
    /// convolutions (`[in, out / groups, kernel…]`) and for weights stored [`transposed`](Weight::transposed)
    /// (GPT-2's `Conv1D`, `[in, out]`). Of a constant in a matrix product the last axis, or the one before it where
    /// it is the left side or transposed, which [`Weight::transposed`] says both. `None` for biases and buffers, for
    /// ranks below 2, and for normalisation.
    pub fn channel_axis(&self) -> Option<usize> {
        let rank = self.shape.len();
        if rank < 2 || self.role != Role::Weight || self.kind == Kind::Norm {
            return None;
        }
        Some(match self.kind {
            Kind::ConvTranspose => 1,
            Kind::Matmul if self.transposed => rank - 2,
            Kind::Matmul => rank - 1,
            _ if self.transposed => 1,
            _ => 0,
        })
    }

    /// The axis of the input channels: the one that groups of `per-group` divide. `None` where
    /// [`Weight::channel_axis`] is `None`.
    pub fn input_axis(&self) -> Option<usize> {
        Some(match (self.channel_axis()?, self.kind) {
            (_, Kind::Matmul) if self.transposed => self.shape.len() - 1,
            (_, Kind::Matmul) => self.shape.len() - 2,
            (0, _) => 1,
            _ => 0,
        })
    }

    /// The number of input features: `in_features` of a linear layer, input channels *of one group* of a
    /// convolution, input or hidden size of a recurrent weight.
    ///
    /// For an embedding it is the width of a row (`embedding_dim`), as it is for the linear layer tied to the
    /// same tensor: the length that groups divide.
    pub fn in_features(&self) -> Option<usize> {
        self.input_axis().map(|axis| self.shape[axis])
    }

    /// The number of output features: `out_features` of a linear layer, output channels of a convolution (of
    /// one group, for a transposed one), gates × hidden size of a recurrent weight.
    ///
    /// For an embedding it is the number of rows (`num_embeddings`), as it is for the linear layer tied to the
    /// same tensor.
    pub fn out_features(&self) -> Option<usize> {
        self.channel_axis().map(|axis| self.shape[axis])
    }

    /// The sides of a convolution's kernel, outermost first: `[3, 3]`. `None` for what is not a convolution.
    pub fn kernel(&self) -> Option<&[usize]> {
        let convolution = matches!(self.kind, Kind::Conv1d | Kind::Conv2d | Kind::Conv3d | Kind::ConvTranspose);
        if convolution && self.channel_axis().is_some() {
            self.shape.get(2..).filter(|sides| !sides.is_empty())
        } else {
            None
        }
    }

    /// The longest side of a convolution's kernel: 3 for 3 × 3 and for 1 × 3.
    pub fn kernel_size(&self) -> Option<usize> {
        self.kernel()?.iter().copied().max()
    }

    /// Groups of a convolution: those that its operator has where the model is an export; else as many as output
    /// channels where the weight has one input channel, and 1 where it has more.
    ///
    /// Checkpoints do not store the number. So there it is an assumption: it is wrong for a first layer over images
    /// of one channel (the same shape as a depthwise convolution) and for grouped convolutions that are not
    /// depthwise. `None` for what is not a convolution, and for transposed ones, whose shape says nothing.
    pub fn groups(&self) -> Option<usize> {
        self.kernel()?;
        if self.groups.is_some() {
            return self.groups;
        }
        match (self.kind, self.in_features()?) {
            (Kind::ConvTranspose, _) => None,
            (_, 1) => self.out_features(),
            _ => Some(1),
        }
    }

    /// The number of the layer: the first component of the dotted name that is a number
    /// (`model.layers.7.mlp.0.weight` → 7).
    pub fn layer(&self) -> Option<u64> {
        self.name
            .split('.')
            .find(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|part| part.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::model::{KnownBy, Location};

    fn weight(name: &str, kind: Kind, shape: &[usize]) -> Weight {
        Weight {
            name: name.to_owned(),
            tied: Vec::new(),
            module_len: name.rfind('.').unwrap_or(0),
            kind,
            known_by: KnownBy::Name,
            role: Role::Weight,
            transposed: false,
            groups: None,
            shape: shape.to_vec(),
            dtype: DType::F32,
            bytes: 4 * shape.iter().product::<usize>() as u64,
            compressed: None,
            location: Location::default(),
        }
    }

    #[test]
    fn linear_and_its_transpose() {
        let mut w = weight("h.0.mlp.c_fc.weight", Kind::Linear, &[768, 3072]);
        assert_eq!((w.in_features(), w.out_features()), (Some(3072), Some(768)));
        w.transposed = true;
        assert_eq!((w.in_features(), w.out_features()), (Some(768), Some(3072)));
        assert_eq!((w.channel_axis(), w.kernel(), w.groups()), (Some(1), None, None));
    }

    #[test]
    fn convolutions() {
        let w = weight("a.conv.weight", Kind::Conv2d, &[64, 32, 1, 3]);
        assert_eq!((w.in_features(), w.out_features()), (Some(32), Some(64)));
        assert_eq!((w.kernel(), w.kernel_size()), (Some(&[1, 3][..]), Some(3)));
        assert_eq!(w.groups(), Some(1));
        let mut w = weight("a.dw.weight", Kind::Conv2d, &[64, 1, 3, 3]);
        assert_eq!(w.groups(), Some(64));
        w.groups = Some(1);
        assert_eq!(w.groups(), Some(1));
        let w = weight("a.up.weight", Kind::ConvTranspose, &[64, 32, 2, 2]);
        assert_eq!((w.in_features(), w.out_features()), (Some(64), Some(32)));
        assert_eq!((w.channel_axis(), w.groups()), (Some(1), None));
    }

    #[test]
    fn what_has_no_channels() {
        let w = weight("norm.weight", Kind::Norm, &[64]);
        assert_eq!((w.channel_axis(), w.in_features(), w.kernel_size()), (None, None, None));
    }

    #[test]
    fn layer_is_the_first_number() {
        let layer = |name| weight(name, Kind::Linear, &[2, 2]).layer();
        assert_eq!(layer("model.layers.7.mlp.0.weight"), Some(7));
        assert_eq!(layer("layer1.0.conv1.weight"), Some(0));
        assert_eq!(layer("lm_head.weight"), None);
        assert_eq!(layer("a.99999999999999999999999.weight"), None);
    }
}
