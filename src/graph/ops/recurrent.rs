//! Recurrent layers over [sequence, batch, features]. CT:ops/defs/iOS15/recurrent.py, iOS17, iOS18.

use crate::element::ElementType::{self, *};
use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, TensorType, Type};

use super::call::Call;
use super::fault::{OpError, OpRule};
use super::shape::{One, expect_dim, map_dim, rank_in};
use super::table::*;

const ONLY_FP32: &[ElementType] = &[Fp32];

const fn lstm_parameters(elements: &'static [ElementType]) -> [Parameter; 17] {
    let own = t(elements);
    [
        live("x", own),
        live("initial_h", own),
        live("initial_c", own),
        fixed("weight_ih", own),
        fixed("weight_hh", own),
        fixed_opt("bias", own),
        fixed_opt("peephole", own),
        fixed_opt("weight_ih_back", own),
        fixed_opt("weight_hh_back", own),
        fixed_opt("bias_back", own),
        fixed_opt("peephole_back", own),
        fixed_opt("direction", TEXT),
        fixed_opt("output_sequence", BOOL),
        fixed_opt("recurrent_activation", TEXT),
        fixed_opt("cell_activation", TEXT),
        fixed_opt("activation", TEXT),
        fixed_opt("clip", own),
    ]
}

const fn gru_parameters(elements: &'static [ElementType]) -> [Parameter; 9] {
    let own = t(elements);
    [
        live("x", own),
        live("initial_h", own),
        fixed("weight_ih", own),
        fixed("weight_hh", own),
        fixed_opt("bias", own),
        fixed_opt("direction", TEXT),
        fixed_opt("output_sequence", BOOL),
        fixed_opt("recurrent_activation", TEXT),
        fixed_opt("activation", TEXT),
    ]
}

const GRU_8: &[Parameter] = &[
    live("x", t(FLOATS)),
    live("initial_h", t(FLOATS)),
    fixed("weight_ih", t(FLOATS)),
    fixed("weight_hh", t(FLOATS)),
    fixed_opt("bias", t(FLOATS)),
    fixed_opt("direction", TEXT),
    fixed_opt("output_sequence", BOOL),
    fixed_opt("recurrent_activation", TEXT),
    fixed_opt("activation", TEXT),
    fixed_opt("reset_after", BOOL),
    fixed_opt("input_bias", t(FLOATS)),
];

const fn rnn_parameters(elements: &'static [ElementType]) -> [Parameter; 8] {
    let own = t(elements);
    [
        live("x", own),
        live("initial_h", own),
        fixed("weight_ih", own),
        fixed("weight_hh", own),
        fixed_opt("bias", own),
        fixed_opt("direction", TEXT),
        fixed_opt("output_sequence", BOOL),
        fixed_opt("activation", TEXT),
    ]
}

pub(super) static OPERATORS: &[Operator] = &[
    operator(
        "gru",
        &[
            since(CoreML5, &gru_parameters(ONLY_FP32), gru),
            since(CoreML7, &gru_parameters(FLOATS), gru),
            since(CoreML8, GRU_8, gru),
        ],
    ),
    operator(
        "lstm",
        &[since(CoreML5, &lstm_parameters(ONLY_FP32), lstm), since(CoreML7, &lstm_parameters(FLOATS), lstm)],
    ),
    operator("rnn", &[since(CoreML5, &rnn_parameters(ONLY_FP32), rnn), since(CoreML7, &rnn_parameters(FLOATS), rnn)]),
];

const ONE_WAY: &[&str] = &["forward", "reverse"];

fn gru(call: &Call<'_>) -> One {
    let hidden = weights(call, "weight_ih", "weight_hh", 3)?;
    call.word("direction", ONE_WAY)?;
    outputs(call, hidden, 2)
}

fn rnn(call: &Call<'_>) -> One {
    let hidden = weights(call, "weight_ih", "weight_hh", 1)?;
    call.word("direction", ONE_WAY)?;
    outputs(call, hidden, 2)
}

fn lstm(call: &Call<'_>) -> One {
    const ACTIVATIONS: &[&str] = &["tanh", "scaled_tanh", "sigmoid", "hard_sigmoid", "relu", "linear"];
    let mut hidden = weights(call, "weight_ih", "weight_hh", 4)?;
    match call.word("direction", &["forward", "reverse", "bidirectional"])? {
        Some("bidirectional") => {
            for parameter in ["weight_ih_back", "weight_hh_back"] {
                if !call.has(parameter) {
                    let message = "is required for `direction` \"bidirectional\"";
                    return Err(OpError::at(OpRule::Parameter, parameter, message));
                }
            }
            weights(call, "weight_ih_back", "weight_hh_back", 4)?;
            hidden = map_dim(hidden, |size| size.checked_mul(2))?;
        }
        Some(_) => {}
        None => hidden = Dim::Unknown,
    }
    for parameter in ["recurrent_activation", "cell_activation", "activation"] {
        if call.has(parameter) {
            call.word(parameter, ACTIVATIONS)?;
        }
    }
    outputs(call, hidden, 3)
}

/// Checks the pair of weights, [gates · H, features] and [gates · H, H], and gives H.
fn weights(call: &Call<'_>, ih: &'static str, hh: &'static str, gates: u64) -> Result<Dim, OpError> {
    let (weight_ih, weight_hh) = (call.tensor(ih)?, call.tensor(hh)?);
    rank_in(ih, weight_ih, 2..=2)?;
    rank_in(hh, weight_hh, 2..=2)?;
    let (Some(2), Some(2)) = (weight_ih.rank(), weight_hh.rank()) else { return Ok(Dim::Unknown) };
    let hidden = weight_hh.shape[1];
    let rows = map_dim(hidden, |size| size.checked_mul(gates))?;
    let what = if gates == 1 { "the hidden size".to_owned() } else { format!("{gates} times the hidden size") };
    expect_dim(hh, weight_hh, 0, rows, &what)?;
    expect_dim(ih, weight_ih, 0, rows, &what)?;
    let x = call.tensor("x")?;
    if let Some(3) = x.rank() {
        expect_dim(ih, weight_ih, 1, x.shape[2], "the last dimension of `x`")?;
    }
    Ok(hidden)
}

/// The sequence, or its last step, then the states.
fn outputs(call: &Call<'_>, hidden: Dim, count: usize) -> One {
    let x = call.tensor("x")?;
    rank_in("x", x, 3..=3)?;
    let (steps, batch) = match x.shape[..] {
        [steps, batch, _] => (steps, batch),
        _ => (Dim::Unknown, Dim::Unknown),
    };
    let steps = match call.bool("output_sequence")?.or(false) {
        Some(true) => steps,
        Some(false) => Dim::Known(1),
        None => Dim::Unknown,
    };
    let sequence = TensorType { element: x.element, shape: vec![steps, batch, hidden] };
    let state = TensorType { element: x.element, shape: vec![batch, hidden] };
    let states = std::iter::repeat_n(Type::Tensor(state), count - 1);
    Ok(std::iter::once(Type::Tensor(sequence)).chain(states).collect())
}
