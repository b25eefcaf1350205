//! Constants, branches, loops, lists and states. CT:ops/defs/iOS15/control_flow.py, classify.py, iOS18/states.py.

use crate::element::ElementType::{self, *};
use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, TensorType, Type};

use super::call::Call;
use super::fault::{OpError, OpRule};
use super::shape::{One, expect_dim, rank_in, size};
use super::table::*;

const LIST: Parameter = live("ls", Accepts::List);
const INDEX: Parameter = live("index", INT32);
const INDICES: Parameter = live("indices", INT32);
const VALUE: Parameter = live("value", t(NUMBERS_AND_BOOL));

pub(super) static OPERATORS: &[Operator] = &[
    operator("const", &[since(CoreML5, &[fixed("val", Accepts::Any)], constant)]),
    operator("identity", &[since(CoreML5, &[live("x", Accepts::Any)], identity)]),
    operator("cond", &[since(CoreML5, &[live("pred", BOOL)], cond)]),
    operator("while_loop", &[since(CoreML5, &[live("loop_vars", Accepts::Several)], while_loop)]),
    operator(
        "make_list",
        &[since(
            CoreML5,
            &[
                live_opt("init_length", INT32),
                fixed_opt("dynamic_length", BOOL),
                live("elem_shape", Accepts::Tuple),
                fixed_opt("dtype", TEXT),
            ],
            make_list,
        )],
    ),
    operator("list_length", &[since(CoreML5, &[LIST], list_length)]),
    operator("list_read", &[since(CoreML5, &[LIST, INDEX], list_read)]),
    operator("list_write", &[since(CoreML5, &[LIST, INDEX, VALUE], list_write)]),
    operator("list_gather", &[since(CoreML5, &[LIST, INDICES], list_gather)]),
    operator("list_scatter", &[since(CoreML5, &[LIST, INDICES, VALUE], list_scatter)]),
    operator("read_state", &[since(CoreML8, &[live("input", Accepts::State)], read_state)]),
    operator("write_state", &[since(CoreML8, &[live("input", Accepts::State), live("data", t(MOVABLE))], write_state)]),
    operator("classify", &[since(CoreML5, &[live("probabilities", FP32), fixed("classes", Accepts::List)], classify)]),
];

fn constant(call: &Call<'_>) -> One {
    Ok(call.one("val").map(|given| given.ty.clone()).into_iter().collect())
}

fn identity(call: &Call<'_>) -> One {
    Ok(call.one("x").map(|given| given.ty.clone()).into_iter().collect())
}

/// What a nested block hands out. Names that are not defined are reported elsewhere.
fn handed_out(call: &Call<'_>, block: usize) -> Option<Vec<Type>> {
    call.blocks.get(block)?.outputs.iter().map(|ty| ty.cloned()).collect()
}

fn expect_blocks(call: &Call<'_>, expected: usize) -> Result<(), OpError> {
    if call.blocks.len() == expected {
        return Ok(());
    }
    let message = format!("has {} nested blocks; it needs {expected}", call.blocks.len());
    Err(OpError::whole(OpRule::Parameter, message))
}

/// Types that the two sides have in common: dimensions that differ are unknown.
fn common(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (Type::Tensor(a), Type::Tensor(b)) if a.element == b.element && a.shape.len() == b.shape.len() => {
            let dims = a.shape.iter().zip(&b.shape).map(|(a, b)| if a == b { *a } else { Dim::Unknown });
            Some(TensorType { element: a.element, shape: dims.collect() }.into())
        }
        _ => a.agrees(b).then(|| a.clone()),
    }
}

fn cond(call: &Call<'_>) -> One {
    expect_blocks(call, 2)?;
    let (Some(yes), Some(no)) = (handed_out(call, 0), handed_out(call, 1)) else {
        return Err(OpError::whole(OpRule::Parameter, "a branch hands out a value that is not defined"));
    };
    if yes.len() != no.len() {
        let message = format!("one branch hands out {} values, the other {}", yes.len(), no.len());
        return Err(OpError::whole(OpRule::Shape, message));
    }
    let pairs = yes.iter().zip(&no);
    pairs
        .enumerate()
        .map(|(i, (a, b))| {
            let differ = || OpError::whole(OpRule::Shape, format!("output {i} is {a} in one branch, {b} in the other"));
            common(a, b).ok_or_else(differ)
        })
        .collect()
}

/// Block 0 decides whether to go on, block 1 is the body; both take the loop's variables.
fn while_loop(call: &Call<'_>) -> One {
    expect_blocks(call, 2)?;
    let (Some(goes_on), Some(out)) = (handed_out(call, 0), handed_out(call, 1)) else {
        return Err(OpError::whole(OpRule::Parameter, "a block hands out a value that is not defined"));
    };
    if !matches!(&goes_on[..], [Type::Tensor(tensor)] if tensor.element == Bool) {
        return Err(OpError::whole(OpRule::DType, "its condition must hand out one truth value"));
    }
    let variables = call.all("loop_vars");
    for (which, block) in call.blocks.iter().enumerate() {
        let fits = block.inputs.len() == variables.len()
            && block.inputs.iter().zip(variables).all(|(inner, outer)| inner.agrees(outer.ty));
        if !fits {
            let message = format!("do not go with the inputs of nested block {which}");
            return Err(OpError::at(OpRule::Shape, "loop_vars", message));
        }
    }
    // What the body hands out goes into it again. It may differ from what the loop began with in sizes that the body's
    // inputs leave open.
    let body = &call.blocks[1].inputs;
    if out.len() != body.len() || !out.iter().zip(body).all(|(out, again)| out.agrees(again)) {
        return Err(OpError::at(OpRule::Shape, "loop_vars", "have other types after the body than before"));
    }
    Ok(out)
}

fn make_list(call: &Call<'_>) -> One {
    let element = call.element("dtype", Fp32, ELEMENTS)?.unwrap_or(Fp32);
    call.tensors("elem_shape")?;
    let mut shape = Vec::new();
    for given in call.all("elem_shape") {
        let value = given.literal.and_then(|literal| literal.ints(call.blobs));
        // A text names a dimension that is known only when the program runs.
        shape.push(match value.as_deref() {
            Some([only]) => Dim::Known(size("elem_shape", *only)?),
            _ => Dim::Unknown,
        });
    }
    let dynamic = call.bool("dynamic_length")?.or(true);
    let length = match (dynamic, call.int("init_length")?.or(1)) {
        (Some(false), Some(length)) => Dim::Known(size("init_length", length)?),
        _ => Dim::Unknown,
    };
    Ok(vec![Type::List { element: Box::new(TensorType { element, shape }.into()), length }])
}

const ELEMENTS: &[ElementType] = &[Fp16, Fp32, Fp64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Bool];

/// The type of a list's elements.
fn element_type<'a>(call: &Call<'a>) -> Result<&'a Type, OpError> {
    match call.one("ls").map(|given| given.ty) {
        Some(Type::List { element, .. }) => Ok(element),
        _ => Err(OpError::at(OpRule::DType, "ls", "must be a list")),
    }
}

fn list_length(call: &Call<'_>) -> One {
    element_type(call)?;
    Ok(vec![Type::scalar(Int32)])
}

fn list_read(call: &Call<'_>) -> One {
    Ok(vec![element_type(call)?.clone()])
}

/// Gives the list itself, after a value of this type was stored in it.
fn stored(call: &Call<'_>, value: &Type) -> One {
    let element = element_type(call)?;
    if !element.agrees(value) {
        let message = format!("is {value}, but the elements of `ls` are {element}");
        return Err(OpError::at(OpRule::Shape, "value", message));
    }
    Ok(call.one("ls").map(|given| given.ty.clone()).into_iter().collect())
}

fn list_write(call: &Call<'_>) -> One {
    stored(call, &call.tensor("value")?.clone().into())
}

fn list_gather(call: &Call<'_>) -> One {
    let indices = call.tensor("indices")?;
    rank_in("indices", indices, 1..=1)?;
    let Type::Tensor(element) = element_type(call)? else {
        return Err(OpError::at(OpRule::DType, "ls", "must be a list of tensors"));
    };
    let shape = [&indices.shape[..], &element.shape].concat();
    Ok(vec![TensorType { element: element.element, shape }.into()])
}

fn list_scatter(call: &Call<'_>) -> One {
    let (indices, value) = (call.tensor("indices")?, call.tensor("value")?);
    rank_in("indices", indices, 1..=1)?;
    rank_in("value", value, 1..=usize::MAX)?;
    if let Some(count) = indices.shape.first() {
        expect_dim("value", value, 0, *count, "the number of indices")?;
    }
    let shape = value.shape.get(1..).unwrap_or_default().to_vec();
    stored(call, &TensorType { element: value.element, shape }.into())
}

/// The tensor a state holds.
fn held<'a>(call: &Call<'a>) -> Result<&'a TensorType, OpError> {
    match call.one("input").map(|given| given.ty) {
        Some(Type::State(inner)) => match &**inner {
            Type::Tensor(tensor) => Ok(tensor),
            other => Err(OpError::at(OpRule::DType, "input", format!("must be a state of a tensor, not of {other}"))),
        },
        _ => Err(OpError::at(OpRule::DType, "input", "must be a state")),
    }
}

fn read_state(call: &Call<'_>) -> One {
    Ok(vec![held(call)?.clone().into()])
}

fn write_state(call: &Call<'_>) -> One {
    let (held, data) = (held(call)?, call.tensor("data")?);
    if !held.agrees(data) {
        let message = format!("is {data}, but the state holds {held}");
        return Err(OpError::at(OpRule::Shape, "data", message));
    }
    Ok(Vec::new())
}

/// The name of the likeliest class, and the probability of each.
fn classify(call: &Call<'_>) -> One {
    let probabilities = call.tensor("probabilities")?;
    let Some(given) = call.one("classes") else {
        return Err(OpError::at(OpRule::Parameter, "classes", "is required"));
    };
    let Type::List { element, length } = given.ty else {
        return Err(OpError::at(OpRule::DType, "classes", "must be a list"));
    };
    let kind = match element.as_tensor() {
        Some(tensor) if tensor.rank() == Some(0) && matches!(tensor.element, String | Int64) => tensor.element,
        _ => {
            let message = format!("must be a list of strings or int64, not of {element}");
            return Err(OpError::at(OpRule::DType, "classes", message));
        }
    };
    if let (Some(classes), Some(count)) = (length.known(), probabilities.count())
        && classes != count
    {
        let message = format!("has {classes} classes for {count} probabilities");
        return Err(OpError::at(OpRule::Shape, "classes", message));
    }
    let dictionary = Type::Dictionary { key: Box::new(Type::scalar(kind)), value: Box::new(Type::scalar(Fp64)) };
    Ok(vec![Type::scalar(kind), dictionary])
}
