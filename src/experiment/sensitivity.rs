//! Which weights suffer most: each quantized alone, the rest of the model as it was.

use std::collections::BTreeMap;

use super::attempt::Attempt;
use crate::quant::power::Power;

/// Weights or layers, ranked by what quantizing them alone does to the whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensitivity {
    /// The most sensitive first.
    pub shares: Vec<Share>,
    /// The signal of everything that was measured: what each share's noise is compared with.
    pub signal: f64,
    /// The noise of everything together.
    pub noise: f64,
}

/// What quantizing one weight or one layer alone does.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// The name of the weight or layer.
    pub name: String,
    /// Weights in it.
    pub weights: usize,
    /// The schemes of its weights, each once.
    pub schemes: Vec<String>,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
    /// Its own error.
    pub error: Power,
}

impl Sensitivity {
    /// The ratio in dB over everything that was measured, when only this share is quantized.
    pub fn alone(&self, share: &Share) -> f64 {
        Power { signal: self.signal, noise: share.error.noise, ..Power::default() }.sqnr()
    }

    /// How much of the noise of everything together comes from this share, from 0 to 1.
    pub fn part(&self, share: &Share) -> f64 {
        if self.noise > 0.0 { share.error.noise / self.noise } else { 0.0 }
    }
}

/// Ranks weights, or layers (all weights of one number in their names), by the noise that each brings in.
pub fn sensitivity(attempt: &Attempt, by_layer: bool) -> Sensitivity {
    let all = attempt.error();
    let mut groups: BTreeMap<(usize, String), Share> = BTreeMap::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut order: Vec<usize> = (0..attempt.tried.len()).collect();
    order.sort_by_key(|&at| attempt.tried[at].index);
    for at in order {
        let tried = &attempt.tried[at];
        let name = if by_layer { layer(&tried.name) } else { tried.name.as_str() };
        let next = places.len();
        let place = *places.entry(name.to_string()).or_insert(next);
        let share = groups.entry((place, name.to_string())).or_insert_with(|| Share {
            name: name.to_string(),
            weights: 0,
            schemes: Vec::new(),
            before: 0,
            after: 0,
            error: Power::default(),
        });
        share.weights += 1;
        if !share.schemes.contains(&tried.scheme) {
            share.schemes.push(tried.scheme.clone());
        }
        share.before = share.before.saturating_add(tried.before);
        share.after = share.after.saturating_add(tried.after);
        share.error = share.error.and(&tried.error);
    }
    let mut shares: Vec<Share> = groups.into_values().collect();
    // Noise that is no number is worse than any.
    let noise = |share: &Share| if share.error.noise.is_nan() { f64::INFINITY } else { share.error.noise };
    shares.sort_by(|a, b| noise(b).total_cmp(&noise(a)));
    Sensitivity { shares, signal: all.signal, noise: all.noise }
}

/// The layer of a weight: its name up to the first number between dots, or its module.
fn layer(name: &str) -> &str {
    let mut end = 0;
    for part in name.split('.') {
        end += part.len();
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            return &name[..end];
        }
        end += 1;
    }
    name.rsplit_once('.').map_or(name, |(module, _)| module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_named_up_to_their_number() {
        let of = ["model.layers.12.mlp.up_proj.weight", "lm_head.weight", "weight", "a.0"];
        assert_eq!(of.map(layer), ["model.layers.12", "lm_head", "weight", "a.0"]);
    }
}
