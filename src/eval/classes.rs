//! Classes along one dimension of an output: which is preferred, and how surprising a label is.

use rayon::prelude::*;

use super::labels::{BatchLabels, IGNORED};
use crate::exec::Tensor;

/// Where the classes of an output lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classes {
    /// Along this dimension; each of the other places is a position.
    Along(usize),
    /// The elements are numbers of classes.
    Chosen,
}

/// What the values along the classes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Logarithms of probabilities but for a constant.
    Logits,
    /// Probabilities: what a softmax gives.
    Probabilities,
}

/// What a program says at a position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// The class that it prefers: the first of the largest; none where values are NaN.
    pub top: Option<i64>,
    /// -ln of the probability that it gives to the label; 0 where that counts for nothing.
    pub loss: f64,
}

impl Classes {
    /// Where the classes lie that labels are about: along the last dimension, or along the second, as those of images
    /// do, where everything else has the shape of the labels, but for sizes of 1.
    pub fn of_labels(output: &Tensor, labels: &BatchLabels) -> Option<Classes> {
        let slim = |shape: &[usize]| shape.iter().skip(1).copied().filter(|size| *size != 1).collect::<Vec<_>>();
        let (shape, wanted) = (output.shape(), slim(&labels.shape));
        if shape.first() != labels.shape.first() {
            return None;
        }
        if output.as_floats().is_none() {
            return (output.as_ints().is_some() && slim(shape) == wanted).then_some(Classes::Chosen);
        }
        let fits = |axis: &usize| {
            let mut rest = shape.to_vec();
            *axis > 0 && *axis < shape.len() && rest.remove(*axis) > 1 && slim(&rest) == wanted
        };
        [shape.len().saturating_sub(1), 1].into_iter().find(fits).map(Classes::Along)
    }

    /// Where classes most likely lie if nothing tells.
    pub fn likely(output: &Tensor) -> Option<Classes> {
        let shape = output.shape();
        let is_likely = matches!(shape.len(), 2 | 3) && shape.last().is_some_and(|size| *size > 1);
        (is_likely && output.as_floats().is_some()).then(|| Classes::Along(shape.len() - 1))
    }

    /// How many classes an output tells apart; `None` where they are not counted.
    pub fn number(self, output: &Tensor) -> Option<usize> {
        match self {
            Classes::Along(axis) => output.shape().get(axis).copied(),
            Classes::Chosen => None,
        }
    }

    /// What an output says at each position, in the order of the labels. Labels are within the classes or ignored.
    pub fn positions(self, output: &Tensor, labels: Option<&[i64]>, meaning: Option<Meaning>) -> Vec<Position> {
        let axis = match self {
            Classes::Along(axis) => axis,
            Classes::Chosen => {
                let chosen = output.as_ints().unwrap_or_default().iter();
                return chosen.map(|class| Position { top: Some(i64::from(*class)), loss: 0.0 }).collect();
            }
        };
        let (values, shape) = (output.as_floats().unwrap_or_default(), output.shape());
        let classes = shape.get(axis).copied().unwrap_or(0);
        let inner = shape.iter().skip(axis + 1).product::<usize>();
        let all = values.len().checked_div(classes).unwrap_or(0);
        let at = |position: usize| {
            let (outer, inside) = (position / inner, position % inner);
            let row = (0..classes).map(move |class| values[(outer * classes + class) * inner + inside]);
            let label = labels.and_then(|labels| labels.get(position).copied()).filter(|label| *label != IGNORED);
            let label = label.and_then(|label| usize::try_from(label).ok());
            let loss = label.zip(meaning).map_or(0.0, |(label, meaning)| loss(row.clone(), label, meaning));
            Position { top: top(row), loss }
        };
        (0..all).into_par_iter().map(at).collect()
    }
}

fn top(row: impl Iterator<Item = f32>) -> Option<i64> {
    let mut best = (f32::NEG_INFINITY, None);
    for (class, value) in row.enumerate() {
        if value.is_nan() {
            return None;
        }
        if best.1.is_none() || value > best.0 {
            best = (value, i64::try_from(class).ok());
        }
    }
    best.1
}

fn loss(row: impl Iterator<Item = f32> + Clone, label: usize, meaning: Meaning) -> f64 {
    let own = row.clone().nth(label).map_or(f64::NAN, f64::from);
    match meaning {
        Meaning::Probabilities => -own.ln(),
        Meaning::Logits => {
            let most = row.clone().map(f64::from).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.map(|value| (f64::from(value) - most).exp()).sum();
            sum.ln() + most - own
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ElementType;

    fn labels(shape: &[usize]) -> BatchLabels {
        BatchLabels { shape: shape.to_vec(), values: vec![0; shape.iter().product()] }
    }

    fn zeros(shape: &[usize]) -> Tensor {
        Tensor::floats(shape, vec![0.0; shape.iter().product()]).unwrap()
    }

    #[test]
    fn classes_lie_where_the_labels_leave_them() {
        let of = |output: &[usize], wanted: &[usize]| Classes::of_labels(&zeros(output), &labels(wanted));
        assert_eq!(of(&[2, 10], &[2]), Some(Classes::Along(1)));
        assert_eq!(of(&[2, 10], &[2, 1]), Some(Classes::Along(1)));
        assert_eq!(of(&[2, 10, 1, 1], &[2]), Some(Classes::Along(1)));
        assert_eq!(of(&[1, 7, 5], &[1, 7]), Some(Classes::Along(2)));
        assert_eq!(of(&[1, 7, 7], &[1, 7]), Some(Classes::Along(2)));
        assert_eq!(of(&[1, 21, 4, 6], &[1, 4, 6]), Some(Classes::Along(1)));
        for (output, wanted) in [(&[2, 10][..], &[3][..]), (&[2, 1], &[2]), (&[2], &[2]), (&[1, 7, 5], &[1, 6])] {
            assert_eq!(of(output, wanted), None, "{output:?} {wanted:?}");
        }
        let chosen = Tensor::ints(&[2], vec![3, 4]).unwrap();
        assert_eq!(Classes::of_labels(&chosen, &labels(&[2])), Some(Classes::Chosen));
        assert_eq!(Classes::of_labels(&chosen, &labels(&[2, 2])), None);
    }

    #[test]
    fn positions_are_in_the_order_of_the_labels() {
        let values = vec![0.0, 5.0, 1.0, 2.0, 3.0, 2.0, 3.0, 0.0];
        let output = Tensor::floats(&[1, 2, 2, 2], values).unwrap();
        let tops = |classes: Classes| {
            classes.positions(&output, None, None).into_iter().map(|one| one.top).collect::<Vec<_>>()
        };
        assert_eq!(tops(Classes::Along(1)), [Some(1), Some(0), Some(1), Some(0)]);
        assert_eq!(tops(Classes::Along(3)), [Some(1), Some(1), Some(0), Some(0)]);
    }

    #[test]
    fn losses_are_those_of_the_labels() {
        let output = Tensor::floats(&[3, 2], vec![0.25, 0.75, 0.5, 0.5, f32::NAN, 0.0]).unwrap();
        let labels = [1, IGNORED, 0];
        let told = |meaning| Classes::Along(1).positions(&output, Some(&labels), Some(meaning));
        let probable = told(Meaning::Probabilities);
        assert_eq!((probable[0].loss, probable[1].loss), (-(0.75f64.ln()), 0.0));
        assert!(probable[2].loss.is_nan() && probable[2].top.is_none());
        // Ties are the first's, and e^0.25 : e^0.75 are the odds of logits.
        assert_eq!(probable[1].top, Some(0));
        let expected = (1.0 + (-0.5f64).exp()).ln();
        assert!((told(Meaning::Logits)[0].loss - expected).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_expected_of_nothing() {
        let empty = Tensor::new(ElementType::Fp32, vec![0, 4], Vec::<f32>::new()).unwrap();
        assert!(Classes::Along(1).positions(&empty, None, None).is_empty());
        assert_eq!(Classes::likely(&zeros(&[1, 3, 2, 2])), None);
        assert_eq!(Classes::likely(&zeros(&[1, 1])), None);
    }
}
