//! Recurrent layers over [sequence, batch, features].

use super::{Args, Kernel, One, misshapen, wrong};
use crate::exec::error::Fault;
use crate::exec::math::{sigmoid, tanh};
use crate::exec::matrix::{Layout, Threads, multiply_add};
use crate::exec::tensor::Tensor;

pub(super) const KERNELS: &[(&str, Kernel)] = &[("gru", gru), ("lstm", lstm), ("rnn", rnn)];

/// A function of one number by its name.
fn activation(args: &Args<'_>, parameter: &'static str, default: &'static str) -> Result<fn(f32) -> f32, Fault> {
    Ok(match &*args.word(parameter, default) {
        "TANH" => tanh,
        "SIGMOID" => sigmoid,
        "RELU" => |x| if x < 0.0 { 0.0 } else { x },
        "LINEAR" => |x| x,
        // With the factors that Core ML has for these two.
        "HARD_SIGMOID" | "SIGMOID_HARD" => |x| super::activation::limit(0.2 * x + 0.5, 0.0, 1.0),
        "SCALED_TANH" => |x| 1.7159 * tanh(2.0 / 3.0 * x),
        other => return Err(wrong(parameter, format!("is {other}, which is not known"))),
    })
}

/// The weights of one direction.
struct Layer<'a> {
    input: &'a [f32],
    hidden: &'a [f32],
    bias: Option<&'a [f32]>,
    gates: usize,
    features: usize,
    size: usize,
}

/// Sizes of the sequence.
#[derive(Clone, Copy)]
struct Sizes {
    steps: usize,
    batch: usize,
    features: usize,
}

fn sizes(args: &Args<'_>) -> Result<Sizes, Fault> {
    match *args.tensor("x")?.shape() {
        [steps, batch, features] => Ok(Sizes { steps, batch, features }),
        _ => Err(misshapen("needs a sequence")),
    }
}

impl<'a> Layer<'a> {
    fn new(args: &'a Args<'_>, names: [&'static str; 3], gates: usize, features: usize) -> Result<Self, Fault> {
        let size = args.tensor(names[1])?.shape().get(1).copied().unwrap_or(0);
        let (input, hidden, bias) = (args.floats(names[0])?, args.floats(names[1])?, args.floats_if(names[2])?);
        let rows = gates * size;
        let fits = input.len() == rows * features && hidden.len() == rows * size;
        if !fits || bias.is_some_and(|bias| bias.len() != rows) {
            return Err(misshapen("has weights that do not go together"));
        }
        let steps = args.tensor("x")?.shape().iter().take(2).product();
        args.room(&[steps, rows, 2])?;
        Ok(Self { input, hidden, bias, gates, features, size })
    }

    /// The input's part of every gate of every step, with the bias: [steps · batch, gates · size].
    fn project(&self, x: &[f32], rows: usize) -> Vec<f32> {
        let columns = self.gates * self.size;
        let mut out = vec![0f32; rows * columns];
        if let Some(bias) = self.bias {
            out.chunks_exact_mut(columns.max(1)).for_each(|row| row.copy_from_slice(bias));
        }
        product([rows, self.features, columns], x, self.input, &mut out);
        out
    }
}

/// Adds `x` [rows, depth] times the transpose of `weight` [columns, depth].
fn product([rows, depth, columns]: [usize; 3], x: &[f32], weight: &[f32], out: &mut [f32]) {
    if rows * depth * columns > 0 {
        let (x, weight) = ((x, Layout::rows(depth)), (weight, Layout::columns(depth)));
        multiply_add([rows, depth, columns], x, weight, (out, Layout::rows(columns)), Threads::All);
    }
}

/// Calls for each step in its direction with what the input says of all gates, and the hidden state to be renewed; gives
/// the states after each step, in the order of time.
fn walk(
    sizes: Sizes,
    layer: &Layer<'_>,
    x: &[f32],
    reverse: bool,
    state: &mut Vec<f32>,
    mut step: impl FnMut(&[f32], &mut [f32]),
) -> Vec<f32> {
    let projected = layer.project(x, sizes.steps * sizes.batch);
    let width = sizes.batch * layer.gates * layer.size;
    let length = sizes.batch * layer.size;
    let mut all = vec![0f32; sizes.steps * length];
    for i in 0..sizes.steps {
        let at = if reverse { sizes.steps - 1 - i } else { i };
        step(projected.get(at * width..(at + 1) * width).unwrap_or_default(), state);
        if let Some(out) = all.get_mut(at * length..(at + 1) * length) {
            out.copy_from_slice(state);
        }
    }
    all
}

/// The outputs: the sequence or its last step, then the states.
fn outputs(args: &Args<'_>, all: Vec<f32>, last: Vec<f32>, others: Vec<Vec<f32>>) -> One {
    let sequence = if args.bool("output_sequence", false)? { all } else { last.clone() };
    let mut out = vec![Tensor::new(args.element(0)?, args.shape(0)?, sequence)?];
    for (i, state) in std::iter::once(last).chain(others).enumerate() {
        out.push(Tensor::new(args.element(i + 1)?, args.shape(i + 1)?, state)?);
    }
    Ok(out)
}

fn is_reverse(args: &Args<'_>) -> bool {
    args.word("direction", "FORWARD") == "REVERSE"
}

fn initial(args: &Args<'_>, parameter: &'static str, count: usize) -> Result<Vec<f32>, Fault> {
    let state = args.floats(parameter)?.to_vec();
    if state.len() == count { Ok(state) } else { Err(wrong(parameter, format!("must hold {count} values"))) }
}

fn rnn(args: &mut Args<'_>) -> One {
    let sizes = sizes(args)?;
    let layer = Layer::new(args, ["weight_ih", "weight_hh", "bias"], 1, sizes.features)?;
    let apply = activation(args, "activation", "TANH")?;
    let mut state = initial(args, "initial_h", sizes.batch * layer.size)?;
    let all = walk(sizes, &layer, args.floats("x")?, is_reverse(args), &mut state, |projected, state| {
        let mut next = projected.to_vec();
        product([sizes.batch, layer.size, layer.size], state, layer.hidden, &mut next);
        state.iter_mut().zip(next).for_each(|(state, next)| *state = apply(next));
    });
    outputs(args, all, state, Vec::new())
}

/// Gates in the order reset, new, update. With `reset_after` the reset gate acts on the product of the hidden state,
/// and `input_bias` is the bias of the input's part; without it on the hidden state itself.
fn gru(args: &mut Args<'_>) -> One {
    let sizes = sizes(args)?;
    let mut layer = Layer::new(args, ["weight_ih", "weight_hh", "bias"], 3, sizes.features)?;
    let (gate, apply) = (activation(args, "recurrent_activation", "SIGMOID")?, activation(args, "activation", "TANH")?);
    let after = args.bool("reset_after", false)?;
    let size = layer.size;
    let input_bias = args.floats_if("input_bias")?;
    let hidden_bias = if after && input_bias.is_some() { layer.bias } else { None };
    if let Some(input_bias) = input_bias {
        if input_bias.len() != 3 * size {
            return Err(wrong("input_bias", format!("must hold {} values", 3 * size)));
        }
        if after {
            layer.bias = Some(input_bias);
        }
    }
    let both: Option<Vec<f32>> = match (input_bias, layer.bias, after) {
        (Some(a), Some(b), false) => Some(a.iter().zip(b).map(|(a, b)| a + b).collect()),
        (Some(a), None, false) => Some(a.to_vec()),
        _ => None,
    };
    if let Some(both) = &both {
        layer.bias = Some(both);
    }
    let mut state = initial(args, "initial_h", sizes.batch * size)?;
    let all = walk(sizes, &layer, args.floats("x")?, is_reverse(args), &mut state, |projected, state| {
        let mut parts = vec![0f32; sizes.batch * 3 * size];
        if let Some(bias) = hidden_bias {
            parts.chunks_exact_mut((3 * size).max(1)).for_each(|row| row.copy_from_slice(bias));
        }
        product([sizes.batch, size, 3 * size], state, layer.hidden, &mut parts);
        let at = |row: usize, which: usize, i: usize| row * 3 * size + which * size + i;
        let mut fresh = vec![0f32; state.len()];
        let reset = |row: usize, i: usize| gate(projected[at(row, 0, i)] + parts[at(row, 0, i)]);
        if after {
            for row in 0..sizes.batch {
                for i in 0..size {
                    fresh[row * size + i] = reset(row, i) * parts[at(row, 1, i)];
                }
            }
        } else {
            let mut limited = state.to_vec();
            for row in 0..sizes.batch {
                for i in 0..size {
                    limited[row * size + i] *= reset(row, i);
                }
            }
            let weight = layer.hidden.get(size * size..2 * size * size).unwrap_or_default();
            product([sizes.batch, size, size], &limited, weight, &mut fresh);
        }
        for row in 0..sizes.batch {
            for i in 0..size {
                let update = gate(projected[at(row, 2, i)] + parts[at(row, 2, i)]);
                let new = apply(projected[at(row, 1, i)] + fresh[row * size + i]);
                let state = &mut state[row * size + i];
                *state = (1.0 - update) * new + update * *state;
            }
        }
    });
    outputs(args, all, state, Vec::new())
}

/// One direction of an LSTM: every state, the last hidden state, the last cell state.
fn lstm_direction(
    args: &Args<'_>,
    names: [&'static str; 3],
    peephole: &'static str,
    reverse: bool,
    [hidden, cell]: [Vec<f32>; 2],
) -> Result<[Vec<f32>; 3], Fault> {
    let sizes = sizes(args)?;
    let layer = Layer::new(args, names, 4, sizes.features)?;
    let size = layer.size;
    let gate = activation(args, "recurrent_activation", "SIGMOID")?;
    let (apply_cell, apply) = (activation(args, "cell_activation", "TANH")?, activation(args, "activation", "TANH")?);
    let clip = if args.has("clip") { args.float("clip", f32::INFINITY)?.abs() } else { f32::INFINITY };
    let peephole = args.floats_if(peephole)?;
    if peephole.is_some_and(|peephole| peephole.len() != 3 * size) {
        return Err(misshapen("has a peephole of another size"));
    }
    let peep = |which: usize, i: usize| peephole.map_or(0.0, |peephole| peephole[which * size + i]);
    let (mut state, mut cell) = (hidden, cell);
    let all = walk(sizes, &layer, args.floats("x")?, reverse, &mut state, |projected, state| {
        let mut gates = projected.to_vec();
        product([sizes.batch, size, 4 * size], state, layer.hidden, &mut gates);
        for row in 0..sizes.batch {
            for i in 0..size {
                let part = |which: usize| gates[row * 4 * size + which * size + i];
                let old = cell[row * size + i];
                let (input, forget) = (gate(part(0) + peep(0, i) * old), gate(part(1) + peep(1, i) * old));
                let candidate = super::activation::limit(apply_cell(part(3)), -clip, clip);
                let new = forget * old + input * candidate;
                cell[row * size + i] = new;
                state[row * size + i] = gate(part(2) + peep(2, i) * new) * apply(new);
            }
        }
    });
    Ok([all, state, cell])
}

/// Gates in the order input, forget, output, cell.
fn lstm(args: &mut Args<'_>) -> One {
    const FORWARD: [&str; 3] = ["weight_ih", "weight_hh", "bias"];
    const BACK: [&str; 3] = ["weight_ih_back", "weight_hh_back", "bias_back"];
    let Sizes { batch, .. } = sizes(args)?;
    let size = args.tensor("weight_hh")?.shape().get(1).copied().unwrap_or(0);
    if args.word("direction", "FORWARD") != "BIDIRECTIONAL" {
        let start = [initial(args, "initial_h", batch * size)?, initial(args, "initial_c", batch * size)?];
        let [all, state, cell] = lstm_direction(args, FORWARD, "peephole", is_reverse(args), start)?;
        return outputs(args, all, state, vec![cell]);
    }
    // Both directions lie side by side in each row of the states.
    let both = [initial(args, "initial_h", batch * 2 * size)?, initial(args, "initial_c", batch * 2 * size)?];
    let half = |which: usize| {
        both.each_ref().map(|state| {
            let rows = state.chunks_exact((2 * size).max(1));
            rows.flat_map(|row| row[which * size..(which + 1) * size].iter().copied()).collect::<Vec<f32>>()
        })
    };
    let forward = lstm_direction(args, FORWARD, "peephole", false, half(0))?;
    let back = lstm_direction(args, BACK, "peephole_back", true, half(1))?;
    let side_by_side = |a: &[f32], b: &[f32]| -> Vec<f32> {
        let rows = a.chunks_exact(size.max(1)).zip(b.chunks_exact(size.max(1)));
        rows.flat_map(|(a, b)| a.iter().chain(b).copied()).collect()
    };
    let [all, state, cell]: [Vec<f32>; 3] = std::array::from_fn(|i| side_by_side(&forward[i], &back[i]));
    outputs(args, all, state, vec![cell])
}
