//! Which weight of one model is which of another.

use std::collections::{HashMap, HashSet};

use crate::model::Model;

/// Weights of two models, by index.
pub struct Matched {
    /// Those that both have, in the order of the first.
    pub pairs: Vec<(usize, usize)>,
    /// Those that only the first has.
    pub only_before: Vec<usize>,
    /// Those that only the second has.
    pub only_after: Vec<usize>,
}

/// Matches weights by their names, tied ones included. What is left is matched where one name ends with the other,
/// the shapes are equal, and there is no choice: converters put names of their own before those of modules, and
/// write dots as underscores.
pub fn matched(before: &Model, after: &Model) -> Matched {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (index, weight) in after.weights.iter().enumerate() {
        for tied in &weight.tied {
            by_name.entry(tied).or_insert(index);
        }
    }
    by_name.extend(after.weights.iter().enumerate().map(|(index, weight)| (weight.name.as_str(), index)));
    let mut taken = HashSet::new();
    let mut partner: Vec<Option<usize>> = vec![None; before.weights.len()];
    for (index, weight) in before.weights.iter().enumerate() {
        let names = std::iter::once(&weight.name).chain(&weight.tied);
        let found = names.filter_map(|name| by_name.get(name.as_str())).find(|found| !taken.contains(*found));
        if let Some(&found) = found {
            taken.insert(found);
            partner[index] = Some(found);
        }
    }
    let left: Vec<usize> = (0..partner.len()).filter(|index| partner[*index].is_none()).collect();
    let right: Vec<usize> = (0..after.weights.len()).filter(|index| !taken.contains(index)).collect();
    for (a, b) in by_suffix(before, after, &left, &right) {
        partner[a] = Some(b);
        taken.insert(b);
    }
    Matched {
        pairs: partner.iter().enumerate().filter_map(|(a, b)| Some((a, (*b)?))).collect(),
        only_before: (0..partner.len()).filter(|index| partner[*index].is_none()).collect(),
        only_after: right.into_iter().filter(|index| !taken.contains(index)).collect(),
    }
}

/// Longest ends of names that are looked for, in parts.
const MOST_PARTS: usize = 64;

/// A name with one word for every way to divide its parts.
fn plain(name: &str) -> String {
    let parts = name.split(['.', '_', '/']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(".")
}

/// A name and its ends, the longest first.
fn ends(name: &str) -> impl Iterator<Item = &str> {
    let behind = name.match_indices('.').map(|(at, _)| &name[at + 1..]);
    std::iter::once(name).chain(behind).take(MOST_PARTS)
}

fn by_suffix(before: &Model, after: &Model, left: &[usize], right: &[usize]) -> Vec<(usize, usize)> {
    let named = |model: &Model, indices: &[usize]| -> Vec<(usize, String)> {
        indices.iter().map(|&index| (index, plain(&model.weights[index].name))).collect()
    };
    let (left, right) = (named(before, left), named(after, right));
    let mut found = ending(&left, before, &right, after);
    let reversed = ending(&right, after, &left, before);
    found.extend(reversed.into_iter().map(|(other, own)| (own, other)));
    found.sort_unstable();
    found.dedup();
    // Who has a choice stays alone.
    let (mut of_left, mut of_right) = (HashMap::new(), HashMap::new());
    for (a, b) in &found {
        *of_left.entry(*a).or_insert(0) += 1;
        *of_right.entry(*b).or_insert(0) += 1;
    }
    found.retain(|(a, b)| of_left[a] == 1 && of_right[b] == 1);
    found
}

/// Weights of one model whose names end with that of one of the other, with it; of equal shapes.
fn ending(own: &[(usize, String)], model: &Model, others: &[(usize, String)], other: &Model) -> Vec<(usize, usize)> {
    let mut by_name: HashMap<(&str, &[usize]), Vec<usize>> = HashMap::new();
    for (index, name) in others {
        by_name.entry((name, &other.weights[*index].shape)).or_default().push(*index);
    }
    let mut found = Vec::new();
    for (index, name) in own {
        let shape = model.weights[*index].shape.as_slice();
        let fitting = ends(name).filter_map(|end| by_name.get(&(end, shape))).flatten();
        found.extend(fitting.map(|other| (*index, *other)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(before: &str, after: &str) -> (Vec<(String, String)>, usize, usize) {
        let (a, b) = (Model::listing(before).unwrap(), Model::listing(after).unwrap());
        let matched = matched(&a, &b);
        let pairs = matched.pairs.iter().map(|&(x, y)| (a.weights[x].name.clone(), b.weights[y].name.clone()));
        (pairs.collect(), matched.only_before.len(), matched.only_after.len())
    }

    #[test]
    fn names_match_as_far_as_there_is_no_choice() {
        let (pairs, before, after) = names(
            "model.layers.{0..1}.q_proj.weight 8x8\nmodel.norm.weight 8\nhead.weight 8x8\n",
            "layers.0.q.proj.weight 8x8\nlayers.1.q_proj.weight 8x8\nnorm.weight 4\nhead.weight 8x8\n",
        );
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(pairs[0], ("head.weight", "head.weight"));
        assert_eq!(pairs[1], ("model.layers.0.q_proj.weight", "layers.0.q.proj.weight"));
        assert_eq!(pairs[2], ("model.layers.1.q_proj.weight", "layers.1.q_proj.weight"));
        // `norm.weight` has another shape.
        assert_eq!((pairs.len(), before, after), (3, 1, 1));
        // `weight` could be either.
        assert_eq!(names("weight 8x8\n", "a.weight 8x8\nb.weight 8x8\n"), (vec![], 1, 2));
        assert_eq!(names("a.weight 8x8\nb.weight 8x8\n", "weight 8x8\n"), (vec![], 2, 1));
    }

    #[test]
    fn tied_names_are_names() {
        let (pairs, before, after) = names("embed.weight 8x8 tied=head.weight\n", "head.weight 8x8\n");
        assert_eq!((pairs.len(), before, after), (1, 0, 0));
    }
}
