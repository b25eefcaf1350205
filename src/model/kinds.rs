//! Which kind of module owns a tensor, and what the tensor is within it: told from the architecture that
//! `config.json` names, from names, or from shapes.

use std::collections::HashSet;

use super::{KnownBy, Role};
use crate::kind::Kind;

/// What names and shapes tell of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The kind of the module.
    pub kind: Kind,
    /// What the tensor is within it.
    pub role: Role,
    /// How that is known.
    pub known_by: KnownBy,
    /// Whether it is stored input channels first (GPT-2's `Conv1D`).
    pub transposed: bool,
}

/// An architecture of which more is known than names and shapes tell.
struct Architecture {
    /// The class name that `config.json` gives begins so.
    prefix: &'static str,
    /// Last components of modules that are embeddings.
    embeddings: &'static [&'static str],
    /// Last components of modules that are linear layers.
    linears: &'static [&'static str],
    /// Last components of linear layers that are stored input channels first.
    transposed: &'static [&'static str],
}

const DECODER: &[&str] = &[
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
    "lm_head",
    "qkv_proj",
    "gate_up_proj",
];
const BERT: &[&str] = &["query", "key", "value", "dense", "classifier", "decoder", "out_proj", "pooler"];
const BERT_EMBEDDINGS: &[&str] = &["word_embeddings", "position_embeddings", "token_type_embeddings"];

/// Class prefixes of Hugging Face's transformers, with the modules that hold their weights.
const ARCHITECTURES: &[Architecture] = &[
    Architecture { prefix: "Llama", embeddings: &["embed_tokens"], linears: DECODER, transposed: &[] },
    Architecture { prefix: "Mistral", embeddings: &["embed_tokens"], linears: DECODER, transposed: &[] },
    Architecture { prefix: "Mixtral", embeddings: &["embed_tokens"], linears: DECODER, transposed: &[] },
    Architecture { prefix: "Qwen", embeddings: &["embed_tokens"], linears: DECODER, transposed: &[] },
    Architecture { prefix: "Gemma", embeddings: &["embed_tokens"], linears: DECODER, transposed: &[] },
    Architecture { prefix: "Phi", embeddings: &["embed_tokens"], linears: DECODER, transposed: &[] },
    Architecture { prefix: "SmolLM", embeddings: &["embed_tokens"], linears: DECODER, transposed: &[] },
    Architecture { prefix: "Olmo", embeddings: &["embed_tokens"], linears: DECODER, transposed: &[] },
    Architecture { prefix: "Granite", embeddings: &["embed_tokens"], linears: DECODER, transposed: &[] },
    Architecture {
        prefix: "GPT2",
        embeddings: &["wte", "wpe"],
        linears: &["lm_head"],
        transposed: &["c_attn", "c_proj", "c_fc", "q_attn"],
    },
    Architecture {
        prefix: "GPTNeoX",
        embeddings: &["embed_in"],
        linears: &["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h", "embed_out"],
        transposed: &[],
    },
    Architecture {
        prefix: "OPT",
        embeddings: &["embed_tokens", "embed_positions"],
        linears: &["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "lm_head", "project_in", "project_out"],
        transposed: &[],
    },
    Architecture { prefix: "Bert", embeddings: BERT_EMBEDDINGS, linears: BERT, transposed: &[] },
    Architecture { prefix: "Roberta", embeddings: BERT_EMBEDDINGS, linears: BERT, transposed: &[] },
    Architecture { prefix: "XLMRoberta", embeddings: BERT_EMBEDDINGS, linears: BERT, transposed: &[] },
    Architecture { prefix: "MPNet", embeddings: BERT_EMBEDDINGS, linears: BERT, transposed: &[] },
    Architecture {
        prefix: "DistilBert",
        embeddings: BERT_EMBEDDINGS,
        linears: &[
            "q_lin",
            "k_lin",
            "v_lin",
            "out_lin",
            "lin1",
            "lin2",
            "vocab_transform",
            "vocab_projector",
            "classifier",
        ],
        transposed: &[],
    },
    Architecture { prefix: "ViT", embeddings: &[], linears: BERT, transposed: &[] },
    Architecture {
        prefix: "Whisper",
        embeddings: &["embed_tokens", "embed_positions"],
        linears: &["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "proj_out"],
        transposed: &[],
    },
    Architecture {
        prefix: "T5",
        embeddings: &["shared", "embed_tokens", "relative_attention_bias"],
        linears: &["q", "k", "v", "o", "wi", "wi_0", "wi_1", "wo", "lm_head"],
        transposed: &[],
    },
    Architecture {
        prefix: "CLIP",
        embeddings: &["token_embedding", "position_embedding"],
        linears: &["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "visual_projection", "text_projection"],
        transposed: &[],
    },
];

/// Last components of modules that are embeddings wherever they stand.
const EMBEDDING_NAMES: &[&str] = &["wte", "wpe", "shared", "embed_in", "tok_embeddings", "embedding", "emb", "embed"];
/// Parts of a component that say embedding, and those that say otherwise of the same component.
const EMBEDDING_PARTS: &[&str] =
    &["embed_tokens", "embed_positions", "embeddings", "_embedding", "embedding_table", "token_embed"];
const NOT_EMBEDDING: &[&str] = &["proj", "norm", "conv", "dense", "linear", "patch"];
/// Parts of a component that say normalisation.
const NORM_PARTS: &[&str] = &["norm", "ln_", "layernorm", "batchnorm", "groupnorm"];
const NORM_NAMES: &[&str] = &["ln", "bn", "ln1", "ln2", "bn1", "bn2", "bn3", "norm1", "norm2"];
/// Tensors that are state or tables, not weights.
const BUFFERS: &[&str] = &[
    "num_batches_tracked",
    "running_mean",
    "running_var",
    "position_ids",
    "token_type_ids",
    "inv_freq",
    "mask",
    "masked_bias",
    "attn_mask",
    "causal_mask",
    "cos_cached",
    "sin_cached",
    "relative_position_index",
    "g_idx",
    "qzeros",
    "scales",
    "weight_scale",
    "weight_scale_inv",
    "input_scale",
    "zero_point",
    "freqs_cis",
];
const BIASES: &[&str] = &["bias", "beta", "bias_ih", "bias_hh", "in_proj_bias", "q_bias", "v_bias"];

/// What all names of a model tell together.
pub struct Names {
    architecture: Option<&'static Architecture>,
    /// Modules with running statistics: normalisation, whatever they are called.
    statistics: HashSet<String>,
}

impl Names {
    /// Looks through the names of all tensors.
    pub fn new<'a>(architecture: Option<&str>, names: impl Iterator<Item = &'a str>) -> Names {
        // The longest prefix: `GPTNeoX` before `GPT`.
        let known = architecture.and_then(|class| {
            ARCHITECTURES.iter().filter(|a| class.starts_with(a.prefix)).max_by_key(|a| a.prefix.len())
        });
        let statistics = names.filter_map(|name| name.strip_suffix(".running_mean")).map(str::to_owned).collect();
        Names { architecture: known, statistics }
    }

    /// What is told of a tensor.
    pub fn tell(&self, name: &str, shape: &[usize]) -> Told {
        let (module, parameter) = name.rsplit_once('.').unwrap_or(("", name));
        let last = module.rsplit_once('.').map_or(module, |(_, last)| last);
        let role = role(parameter, shape.len());
        let told = |kind, known_by| Told { kind, role, known_by, transposed: false };
        if role != Role::Weight {
            let kind = self.kind_by_name(module, last, parameter, 2).unwrap_or(Kind::Other);
            return told(kind, KnownBy::Name);
        }
        if let Some(known) = self.architecture
            && shape.len() == 2
        {
            if known.transposed.contains(&last) {
                return Told { transposed: true, ..told(Kind::Linear, KnownBy::Architecture) };
            }
            if known.embeddings.contains(&last) {
                return told(Kind::Embedding, KnownBy::Architecture);
            }
            if known.linears.contains(&last) {
                return told(Kind::Linear, KnownBy::Architecture);
            }
        }
        if let Some(kind) = self.kind_by_name(module, last, parameter, shape.len()) {
            return told(kind, KnownBy::Name);
        }
        let kind = match (shape.len(), parameter) {
            (2, "weight" | "in_proj_weight" | "kernel") => Kind::Linear,
            (3, "weight") => Kind::Conv1d,
            (4, "weight") => Kind::Conv2d,
            (5, "weight") => Kind::Conv3d,
            (0 | 1, "weight" | "gamma" | "scale") => Kind::Norm,
            _ => Kind::Other,
        };
        told(kind, KnownBy::Shape)
    }

    fn kind_by_name(&self, module: &str, last: &str, parameter: &str, rank: usize) -> Option<Kind> {
        let lower = last.to_ascii_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
        if self.statistics.contains(module) {
            return Some(Kind::Norm);
        }
        if parameter.starts_with("weight_ih_l") || parameter.starts_with("weight_hh_l") {
            let all = module.to_ascii_lowercase();
            let kinds = [("gru", Kind::Gru), ("lstm", Kind::Lstm)];
            let named = kinds.iter().find(|(word, _)| all.contains(word));
            return Some(named.map_or(Kind::Rnn, |(_, kind)| *kind));
        }
        if rank < 2 && (has(NORM_PARTS) || NORM_NAMES.contains(&lower.as_str())) {
            return Some(Kind::Norm);
        }
        if rank == 2 && !has(NOT_EMBEDDING) && (EMBEDDING_NAMES.contains(&lower.as_str()) || has(EMBEDDING_PARTS)) {
            return Some(Kind::Embedding);
        }
        let transposed = ["conv_transpose", "convtranspose", "deconv", "upconv"];
        match rank {
            3..=5 if has(&transposed) => Some(Kind::ConvTranspose),
            3 if has(&["conv"]) => Some(Kind::Conv1d),
            4 if has(&["conv", "patch_embed", "downsample", "stem", "pointwise", "depthwise"]) => Some(Kind::Conv2d),
            5 if has(&["conv", "patch_embed"]) => Some(Kind::Conv3d),
            2 if parameter == "weight"
                && (has(&[
                    "proj",
                    "linear",
                    "dense",
                    "head",
                    "fc",
                    "mlp",
                    "query",
                    "key",
                    "value",
                    "classifier",
                    "lin",
                ])) =>
            {
                Some(Kind::Linear)
            }
            _ => None,
        }
    }
}

fn role(parameter: &str, rank: usize) -> Role {
    // GPT-2 and GPT-NeoX call their causal masks of rank 4 `bias`.
    if BUFFERS.contains(&parameter) || (parameter == "bias" && rank > 2) {
        Role::Buffer
    } else if BIASES.contains(&parameter) || parameter.starts_with("bias_ih_l") || parameter.starts_with("bias_hh_l") {
        Role::Bias
    } else {
        Role::Weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn kind(architecture: Option<&str>, name: &str, shape: &[usize]) -> (Kind, KnownBy) {
        let told = Names::new(architecture, [name].into_iter()).tell(name, shape);
        (told.kind, told.known_by)
    }

    #[test]
    fn names_and_shapes_tell() {
        assert_eq!(kind(None, "embed_tokens.weight", &[256, 128]), (Kind::Embedding, KnownBy::Name));
        assert_eq!(kind(None, "layers.0.mlp.up_proj.weight", &[384, 128]), (Kind::Linear, KnownBy::Name));
        assert_eq!(kind(None, "layers.0.input_norm.weight", &[128]), (Kind::Norm, KnownBy::Name));
        assert_eq!(kind(None, "hidden.weight", &[64, 64]), (Kind::Linear, KnownBy::Shape));
        assert_eq!(kind(None, "stem.conv.weight", &[32, 1, 3, 3]), (Kind::Conv2d, KnownBy::Name));
        assert_eq!(kind(None, "encoder.lstm.weight_ih_l0", &[64, 32]), (Kind::Lstm, KnownBy::Name));
        assert_eq!(kind(None, "rnn.weight_hh_l0_reverse", &[64, 32]), (Kind::Rnn, KnownBy::Name));
        assert_eq!(kind(None, "vision.patch_embed.proj.weight", &[64, 3, 16, 16]), (Kind::Conv2d, KnownBy::Shape));
        assert_eq!(kind(None, "table", &[12, 12]), (Kind::Other, KnownBy::Shape));
    }

    #[test]
    fn architectures_tell_more() {
        assert_eq!(
            kind(Some("LlamaForCausalLM"), "model.embed_tokens.weight", &[9, 4]),
            (Kind::Embedding, KnownBy::Architecture)
        );
        let names = Names::new(Some("GPT2LMHeadModel"), ["h.0.attn.c_attn.weight"].into_iter());
        let told = names.tell("h.0.attn.c_attn.weight", &[768, 2304]);
        assert!(told.transposed && told.kind == Kind::Linear);
    }

    #[test]
    fn running_statistics_make_a_norm() {
        let names = ["body.x.weight", "body.x.running_mean", "body.x.bias", "body.x.num_batches_tracked"];
        let all = Names::new(None, names.into_iter());
        assert_eq!(all.tell("body.x.weight", &[64]).kind, Kind::Norm);
        assert_eq!(all.tell("body.x.running_mean", &[64]).role, Role::Buffer);
        assert_eq!(all.tell("body.x.bias", &[64]).role, Role::Bias);
    }
}
