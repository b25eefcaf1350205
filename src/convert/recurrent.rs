//! Recurrent layers. Core ML's take sequences first, [steps, batch, features], and one layer at a time.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::constants::Source;
use super::elementwise::{arithmetic, unary};
use super::shape::transposed;
use super::slices::part;
use super::table::{Entry, entry};
use crate::graph::ElementType;
use crate::graph::aten::{Argument, ValueId};

const ONE_STATE: &[&str] =
    &["input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("lstm", ONE_STATE, lstm),
    entry("gru", ONE_STATE, |b, args| simple(b, args, gated)),
    entry("rnn_tanh", ONE_STATE, |b, args| simple(b, args, |b, cell, x, state| plain(b, "tanh", cell, (x, state)))),
    entry("rnn_relu", ONE_STATE, |b, args| simple(b, args, |b, cell, x, state| plain(b, "relu", cell, (x, state)))),
];

/// The most steps of a layer that is written step by step.
const MAX_STEPS: i64 = 512;

/// The weights of one direction of one layer, as they are stored.
struct Cell {
    input: ValueId,
    hidden: ValueId,
    biases: Option<[ValueId; 2]>,
}

/// What an operation says of a layer.
struct Layers {
    cells: Vec<Cell>,
    directions: usize,
    batch_first: bool,
}

fn layers(args: &Args<'_>) -> Result<Layers, String> {
    args.expect_bool("train", false)?;
    let ids = args.ids("params").map_err(|_| "it takes packed sequences, which are not converted".to_owned())?;
    let directions = if args.bool("bidirectional", false)? { 2 } else { 1 };
    let count = usize::try_from(args.int("num_layers", 1)?).unwrap_or(0);
    let has_biases = args.bool("has_biases", true)?;
    let each = if has_biases { 4 } else { 2 };
    if count == 0 || count.checked_mul(directions * each) != Some(ids.len()) {
        return Err("it has another number of weights than its layers need; projections are not converted".to_owned());
    }
    let cells = ids.chunks_exact(each).map(|own| Cell {
        input: own[0],
        hidden: own[1],
        biases: has_biases.then(|| [own[2], own[3]]),
    });
    Ok(Layers { cells: cells.collect(), directions, batch_first: args.bool("batch_first", false)? })
}

/// A stored tensor, or the sum of some, with blocks of rows in another order.
fn blocks(b: &mut Builder<'_>, ids: &[ValueId], order: &[usize]) -> One {
    let mut stored = Vec::with_capacity(ids.len());
    for id in ids {
        let name = b.stored_name(*id).cloned().ok_or("its weights are not stored in the export")?;
        stored.push((name, b.program.graph.tensor(*id).ok_or("it takes what is no tensor")?.dtype));
    }
    let first = *ids.first().ok_or("it has no weights")?;
    let ty = super::program_type(b.program.graph.tensor(first).ok_or("it takes what is no tensor")?)?;
    let name = stored.first().map(|(name, _)| name.clone()).ok_or("it has no weights")?;
    let value = b.constant_of(&name.replace('.', "_"), ty, Source::Blocks { stored, order: order.to_vec() })?;
    b.weights.insert(value.name.clone(), name);
    Ok(value)
}

/// The sequence with the steps first.
fn steps_first(b: &mut Builder<'_>, args: &Args<'_>, batch_first: bool) -> One {
    let x = b.tensor(args, "input")?;
    if x.rank() != 3 {
        return Err("it takes a sequence without a batch dimension".to_owned());
    }
    if batch_first { transposed(b, &x, vec![1, 0, 2]) } else { Ok(x) }
}

/// What a layer gives, in the order of dimensions that it took.
fn given_back(b: &mut Builder<'_>, x: &Value, batch_first: bool) -> One {
    if batch_first { transposed(b, x, vec![1, 0, 2]) } else { Ok(x.clone()) }
}

/// The state that belongs to one direction of one layer, [batch, size].
fn state_of(b: &mut Builder<'_>, states: &Value, at: usize) -> One {
    let at = at as i64;
    let one = part(b, states, 0, (at, Some(at + 1), 1))?;
    b.op("squeeze", vec![("x", Param::Value(&one)), ("axes", Param::Ints(vec![0]))])
}

fn stacked(b: &mut Builder<'_>, states: &[Value]) -> One {
    b.op("stack", vec![("values", Param::Values(states)), ("axis", Param::Int(0))])
}

/// Where Core ML's gates (input, forget, output, cell) stand among PyTorch's (input, forget, cell, output).
const LSTM_GATES: [usize; 4] = [0, 1, 3, 2];

fn lstm(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let layers = layers(args)?;
    let states = match args.get("hx") {
        Some(Argument::Values(ids)) if ids.len() == 2 => ids.clone(),
        _ => return Err("it takes packed sequences, which are not converted".to_owned()),
    };
    let (hidden, cell) = (b.value(states[0])?, b.value(states[1])?);
    let mut x = steps_first(b, args, layers.batch_first)?;
    let (mut hiddens, mut cells) = (Vec::new(), Vec::new());
    for (layer, own) in layers.cells.chunks(layers.directions).enumerate() {
        let mut starts = [Vec::new(), Vec::new()];
        for direction in 0..own.len() {
            let at = layer * layers.directions + direction;
            starts[0].push(state_of(b, &hidden, at)?);
            starts[1].push(state_of(b, &cell, at)?);
        }
        // Both directions lie side by side in each row.
        let (h, c) = (b.joined(&starts[0], 1)?, b.joined(&starts[1], 1)?);
        let mut weights = Vec::new();
        for (cell, names) in
            own.iter().zip([["weight_ih", "weight_hh", "bias"], ["weight_ih_back", "weight_hh_back", "bias_back"]])
        {
            weights.push((names[0], blocks(b, &[cell.input], &LSTM_GATES)?));
            weights.push((names[1], blocks(b, &[cell.hidden], &LSTM_GATES)?));
            if let Some(biases) = cell.biases {
                weights.push((names[2], blocks(b, &biases, &LSTM_GATES)?));
            }
        }
        let direction = if own.len() == 2 { "bidirectional" } else { "forward" };
        let mut parameters =
            vec![("x", Param::Value(&x)), ("initial_h", Param::Value(&h)), ("initial_c", Param::Value(&c))];
        parameters.extend(weights.iter().map(|(name, weight)| (*name, Param::Value(weight))));
        parameters.extend([("direction", Param::Text(direction)), ("output_sequence", Param::Bool(true))]);
        let made = b.emit("lstm", parameters)?;
        let [all, last_h, last_c] = &made[..] else { return Err("`lstm` gives too little".to_owned()) };
        for (states, last) in [(&mut hiddens, last_h), (&mut cells, last_c)] {
            if own.len() == 1 {
                states.push(last.clone());
                continue;
            }
            let size = last.size(1).ok_or("it needs the size of its state")? / 2;
            for (begin, end) in [(0, Some(size)), (size, None)] {
                states.push(part(b, last, 1, (begin, end, 1))?);
            }
        }
        x = all.clone();
    }
    let all = given_back(b, &x, layers.batch_first)?;
    Ok(vec![all, stacked(b, &hiddens)?, stacked(b, &cells)?])
}

/// One direction of a layer: what it gives for each step, and its last state.
type Direction = fn(&mut Builder<'_>, &Cell, &Value, &Value) -> Result<(Value, Value), String>;

/// Layers with one state, each direction for itself: backwards is forwards over the reversed sequence.
fn simple(b: &mut Builder<'_>, args: &Args<'_>, direction: Direction) -> Values {
    let layers = layers(args)?;
    let states = b.tensor(args, "hx")?;
    let mut x = steps_first(b, args, layers.batch_first)?;
    let mut last = Vec::new();
    let reversed =
        |b: &mut Builder<'_>, x: &Value| b.op("reverse", vec![("x", Param::Value(x)), ("axes", Param::Ints(vec![0]))]);
    for (layer, own) in layers.cells.chunks(layers.directions).enumerate() {
        let mut sequences = Vec::new();
        for (at, cell) in own.iter().enumerate() {
            let state = state_of(b, &states, layer * layers.directions + at)?;
            let sequence = if at == 1 { reversed(b, &x)? } else { x.clone() };
            let (sequence, state) = direction(b, cell, &sequence, &state)?;
            sequences.push(if at == 1 { reversed(b, &sequence)? } else { sequence });
            last.push(state);
        }
        x = b.joined(&sequences, 2)?;
    }
    let all = given_back(b, &x, layers.batch_first)?;
    Ok(vec![all, stacked(b, &last)?])
}

fn plain(
    b: &mut Builder<'_>,
    activation: &'static str,
    cell: &Cell,
    (x, state): (&Value, &Value),
) -> Result<(Value, Value), String> {
    let (input, hidden) = (b.value(cell.input)?, b.value(cell.hidden)?);
    let bias = cell.biases.map(|biases| blocks(b, &biases, &[0])).transpose()?;
    let mut parameters = vec![
        ("x", Param::Value(x)),
        ("initial_h", Param::Value(state)),
        ("weight_ih", Param::Value(&input)),
        ("weight_hh", Param::Value(&hidden)),
        ("direction", Param::Text("forward")),
        ("output_sequence", Param::Bool(true)),
        ("activation", Param::Text(activation)),
    ];
    parameters.extend(bias.as_ref().map(|bias| ("bias", Param::Value(bias))));
    let made = b.emit("rnn", parameters)?;
    match &made[..] {
        [all, last] => Ok((all.clone(), last.clone())),
        _ => Err("`rnn` gives too little".to_owned()),
    }
}

/// Thirds along the last dimension.
fn gates(b: &mut Builder<'_>, x: &Value, size: i64) -> Values {
    let sizes = Param::Ints(vec![size; 3]);
    b.emit("split", vec![("x", Param::Value(x)), ("split_sizes", sizes), ("axis", Param::Int(-1))])
}

/// Core ML's own gated units reset the state before they multiply it, where PyTorch's reset the product: so they are
/// written step by step, with products of the input for all steps at once.
fn gated(b: &mut Builder<'_>, cell: &Cell, x: &Value, state: &Value) -> Result<(Value, Value), String> {
    let steps = x.size(0).ok_or("it is written step by step, and how many is known only when the program runs")?;
    if steps > MAX_STEPS {
        return Err(format!("it is written step by step, and {steps} steps are more than {MAX_STEPS}"));
    }
    let size = state.size(1).ok_or("it needs the size of its state")?;
    let linear = |b: &mut Builder<'_>, x: &Value, weight: &Value, bias: Option<&Value>| {
        let mut parameters = vec![("x", Param::Value(x)), ("weight", Param::Value(weight))];
        parameters.extend(bias.map(|bias| ("bias", Param::Value(bias))));
        b.op("linear", parameters)
    };
    let (input, hidden) = (b.value(cell.input)?, b.value(cell.hidden)?);
    let (input_bias, hidden_bias) = match cell.biases {
        Some([input, hidden]) => (Some(b.value(input)?), Some(b.value(hidden)?)),
        None => (None, None),
    };
    let projected = linear(b, x, &input, input_bias.as_ref())?;
    let one = b.scalar(1.0, ElementType::Fp32)?;
    let mut state = state.clone();
    let mut all = Vec::new();
    for step in 0..steps {
        let own = part(b, &projected, 0, (step, Some(step + 1), 1))?;
        let own = b.op("squeeze", vec![("x", Param::Value(&own)), ("axes", Param::Ints(vec![0]))])?;
        let (given, kept) = (gates(b, &own, size)?, linear(b, &state, &hidden, hidden_bias.as_ref())?);
        let kept = gates(b, &kept, size)?;
        let ([r, z, n], [hr, hz, hn]) = (&given[..], &kept[..]) else {
            return Err("its gates cannot be told apart".to_owned());
        };
        let reset = arithmetic(b, "add", r, hr).and_then(|sum| unary(b, "sigmoid", &sum))?;
        let update = arithmetic(b, "add", z, hz).and_then(|sum| unary(b, "sigmoid", &sum))?;
        let limited = arithmetic(b, "mul", &reset, hn)?;
        let new = arithmetic(b, "add", n, &limited).and_then(|sum| unary(b, "tanh", &sum))?;
        let share = arithmetic(b, "sub", &one, &update)?;
        let (new, old) = (arithmetic(b, "mul", &share, &new)?, arithmetic(b, "mul", &update, &state)?);
        state = arithmetic(b, "add", &new, &old)?;
        all.push(state.clone());
    }
    Ok((stacked(b, &all)?, state))
}
