//! The names of a model as a tree of their dotted parts, for completion level by level.

use std::collections::HashMap;

use crate::formats::natural::natural_order;
use crate::model::Model;
use crate::recipe::glob::Pattern;

/// What lies under one part of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    /// Weights that can be quantized.
    pub weights: usize,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Node {
    /// Parts below it, in natural order once the tree is built.
    children: Vec<(String, usize)>,
    sum: Sum,
}

/// The modules that own weights which can be quantized, as a tree.
#[derive(Debug)]
pub(super) struct Names {
    nodes: Vec<Node>,
    /// The last parts of names that have several, with what has them: the largest first.
    endings: Vec<(String, Sum)>,
}

/// One part that can stand at a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The part.
    pub name: String,
    /// What lies under all names that begin so.
    pub sum: Sum,
    /// Whether parts follow it.
    pub goes_on: bool,
}

impl Names {
    pub fn new(model: &Model) -> Names {
        let mut nodes = vec![Node::default()];
        let mut known: HashMap<(usize, &str), usize> = HashMap::new();
        let mut endings: HashMap<&str, Sum> = HashMap::new();
        for weight in model.weights.iter().filter(|weight| weight.is_candidate()) {
            let name = if weight.module_len > 0 { weight.module() } else { &weight.name };
            let mut at = 0;
            add(&mut nodes[at].sum, weight.bytes);
            for part in name.split('.') {
                let next = *known.entry((at, part)).or_insert(nodes.len());
                if next == nodes.len() {
                    nodes.push(Node::default());
                    nodes[at].children.push((part.to_string(), next));
                }
                at = next;
                add(&mut nodes[at].sum, weight.bytes);
            }
            if let Some((_, ending)) = name.rsplit_once('.') {
                add(endings.entry(ending).or_default(), weight.bytes);
            }
        }
        for node in &mut nodes {
            node.children.sort_by(|a, b| natural_order(&a.0, &b.0));
        }
        let mut endings: Vec<(String, Sum)> = endings.into_iter().map(|(part, sum)| (part.to_string(), sum)).collect();
        endings.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| natural_order(&a.0, &b.0)));
        Names { nodes, endings }
    }

    /// The last parts of names that have several, the largest first: `*.` before one is a pattern for all of it.
    pub fn endings(&self) -> &[(String, Sum)] {
        &self.endings
    }

    /// The parts of names that are words and not numbers, with what lies under them: the largest first.
    pub fn words(&self) -> Vec<(&str, Sum)> {
        let mut found: HashMap<&str, Sum> = HashMap::new();
        for (part, child) in self.nodes.iter().flat_map(|node| &node.children) {
            let is_word = part.chars().all(|c| c.is_alphanumeric() || c == '_') && part.parse::<u64>().is_err();
            if is_word {
                let sum = found.entry(part).or_default();
                sum.weights += self.nodes[*child].sum.weights;
                sum.bytes = sum.bytes.saturating_add(self.nodes[*child].sum.bytes);
            }
        }
        let mut words: Vec<(&str, Sum)> = found.into_iter().collect();
        words.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| natural_order(a.0, b.0)));
        words
    }

    /// The parts that may follow what is written of a pattern: up to its last dot outside of brackets. A `*` at its
    /// beginning stands for any number of parts, any other for one.
    pub fn level(&self, written: &[&str]) -> Vec<Part> {
        let mut at = vec![0];
        for (index, part) in written.iter().enumerate() {
            at = match (index, *part) {
                (0, "*") => (0..self.nodes.len()).collect(),
                (_, "*") => at.iter().flat_map(|&node| &self.nodes[node].children).map(|(_, child)| *child).collect(),
                (_, part) => {
                    let Ok(pattern) = Pattern::glob(part) else { return Vec::new() };
                    let children = at.iter().flat_map(|&node| &self.nodes[node].children);
                    children.filter(|(name, _)| pattern.matches(name)).map(|(_, child)| *child).collect()
                }
            };
        }
        if let [only] = at.as_slice() {
            // In order already, each name once.
            let children = self.nodes[*only].children.iter();
            let part = |(name, child): &(String, usize)| {
                let node = &self.nodes[*child];
                Part { name: name.clone(), sum: node.sum, goes_on: !node.children.is_empty() }
            };
            return children.map(part).collect();
        }
        let mut parts: HashMap<&str, Part> = HashMap::new();
        for (name, child) in at.iter().flat_map(|&node| &self.nodes[node].children) {
            let node = &self.nodes[*child];
            let part =
                parts.entry(name).or_insert_with(|| Part { name: name.clone(), sum: Sum::default(), goes_on: false });
            part.sum.weights += node.sum.weights;
            part.sum.bytes = part.sum.bytes.saturating_add(node.sum.bytes);
            part.goes_on |= !node.children.is_empty();
        }
        let mut parts: Vec<Part> = parts.into_values().collect();
        parts.sort_by(|a, b| natural_order(&a.name, &b.name));
        parts
    }
}

fn add(sum: &mut Sum, bytes: u64) {
    sum.weights += 1;
    sum.bytes = sum.bytes.saturating_add(bytes);
}

/// The parts of a pattern, split at dots outside of braces and brackets, which hold ranges such as `{0..3}`.
pub(super) fn parts(pattern: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0usize);
    for (at, c) in pattern.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => {
                parts.push(&pattern[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&pattern[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_patterns() {
        let model = Model::listing(
            "emb.weight embedding 8x8\nlayers.{0..11}.a.q.weight 8x8\nlayers.{0..3}.b.weight 8x8\nlayers.0.norm.weight norm 8\n",
        )
        .unwrap();
        let names = Names::new(&model);
        let level = |pattern: &str| {
            let mut written = parts(pattern);
            written.pop();
            let shown = names
                .level(&written)
                .into_iter()
                .map(|part| format!("{}{} {}", part.name, if part.goes_on { "." } else { "" }, part.sum.weights));
            shown.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(level(""), "emb 1, layers. 16");
        assert_eq!(level("layers.{0..3}."), "a. 4, b 4");
        assert_eq!(level("layers.*."), "a. 12, b 4");
        assert_eq!(level("layers.[1-2]."), "a. 2, b 2");
        assert!(level("*.").contains("q 12") && level("*.").contains("layers. 16"));
        assert_eq!(level("nope."), "");
        assert_eq!(parts("a.{0..3}.b"), ["a", "{0..3}", "b"]);
        assert_eq!(names.endings()[0].0, "q");
    }
}
