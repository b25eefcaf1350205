//! Which names of a model stand for one stored tensor.

use super::Weight;
use crate::formats::natural::natural_order;
use crate::formats::safetensors::Header;
use crate::kind::Kind;

/// Embeddings of Hugging Face's models, and the names under which they are used again where nothing is stored
/// under them.
const TIES: &[(&str, &[&str])] = &[
    ("model.embed_tokens.weight", &["lm_head.weight"]),
    ("model.language_model.embed_tokens.weight", &["lm_head.weight"]),
    ("language_model.model.embed_tokens.weight", &["language_model.lm_head.weight"]),
    ("transformer.wte.weight", &["lm_head.weight"]),
    ("wte.weight", &["lm_head.weight"]),
    ("transformer.word_embeddings.weight", &["lm_head.weight"]),
    ("shared.weight", &["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"]),
    (
        "model.shared.weight",
        &["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"],
    ),
    ("bert.embeddings.word_embeddings.weight", &["cls.predictions.decoder.weight"]),
    ("roberta.embeddings.word_embeddings.weight", &["lm_head.decoder.weight"]),
    ("distilbert.embeddings.word_embeddings.weight", &["vocab_projector.weight"]),
];

/// Parts of the names of classes that have a head over the vocabulary.
const HEADS: &[&str] = &["ForCausalLM", "LMHead", "ForConditionalGeneration", "ForMaskedLM", "ForPreTraining"];

/// Notes, of weights in natural order of their names, under which other names a tensor is used: aliases that
/// `safetensors.torch.save_model` writes into the metadata, and a head that no file holds, which must then be the
/// embedding.
///
/// Configurations leave out what is their class's default, so a missing `tie_word_embeddings` counts as true
/// where the class has a head.
pub(super) fn tie(weights: &mut [Weight], headers: &[Header], architecture: Option<&str>, in_config: Option<bool>) {
    let find = |weights: &[Weight], name: &str| weights.binary_search_by(|w| natural_order(&w.name, name)).ok();
    for (alias, name) in headers.iter().flat_map(|header| &header.metadata) {
        if let Some(index) = find(weights, name)
            && find(weights, alias).is_none()
        {
            add(&mut weights[index], alias);
        }
    }
    let has_head = match (in_config, architecture) {
        (Some(false), _) | (None, None) => false,
        (Some(true), None) => true,
        (_, Some(class)) => HEADS.iter().any(|part| class.contains(part)),
    };
    if !has_head {
        return;
    }
    let known = TIES.iter().find_map(|(name, others)| Some((find(weights, name)?, *others)));
    let (index, others) = match (known, architecture) {
        (Some(known), _) => known,
        (None, class) => {
            let ends = |w: &Weight| w.kind == Kind::Embedding && w.name.ends_with("embed_tokens.weight");
            let Some(index) = weights.iter().position(ends) else { return };
            let whisper = class.is_some_and(|class| class.starts_with("Whisper"));
            (index, if whisper { &["proj_out.weight"][..] } else { &["lm_head.weight"][..] })
        }
    };
    for other in others {
        if find(weights, other).is_some() {
            continue;
        }
        add(&mut weights[index], other);
    }
}

fn add(weight: &mut Weight, alias: &str) {
    if !weight.tied.iter().any(|tied| tied == alias) {
        weight.tied.push(alias.to_owned());
    }
}
