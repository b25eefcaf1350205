//! How much is made at a time: small weights side by side, a large one alone with all threads inside.

use crate::values::BATCH;

/// Neighbours whose elements together stay within [`BATCH`], or a larger one with those behind it that have none.
/// `elements` tells how many of an item are held in memory, and is asked once for each, in their order.
pub(crate) fn batches<T>(items: &[T], mut elements: impl FnMut(&T) -> u64) -> Vec<&[T]> {
    let mut batches = Vec::new();
    let (mut begin, mut sum) = (0, 0u64);
    for (index, item) in items.iter().enumerate() {
        let elements = elements(item);
        if elements > 0 && index > begin && sum.saturating_add(elements) > BATCH {
            batches.push(&items[begin..index]);
            (begin, sum) = (index, 0);
        }
        sum = sum.saturating_add(elements);
    }
    if begin < items.len() {
        batches.push(&items[begin..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_items_come_first_and_alone() {
        let sizes = |items: &[u64]| batches(items, |item| *item).into_iter().map(<[u64]>::to_vec).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), [[0; 0]; 0]);
        assert_eq!(sizes(&[1, 2, BATCH - 3, 1]), [vec![1, 2, BATCH - 3], vec![1]]);
        assert_eq!(sizes(&[0, 0, BATCH + 1, 0, 5, 0]), [vec![0, 0], vec![BATCH + 1, 0], vec![5, 0]]);
        assert_eq!(sizes(&[u64::MAX, u64::MAX, 0]), [vec![u64::MAX], vec![u64::MAX, 0]]);
    }
}
