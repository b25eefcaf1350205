//! Picking and placing elements by index. A negative index counts from the end; one outside is an error.

use super::{Args, Kernel, One, around, misshapen, owned, wrong};
use crate::exec::error::Fault;
use crate::exec::tensor::{Data, Tensor, moved};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("gather", gather),
    ("gather_along_axis", gather_along_axis),
    ("gather_nd", gather_nd),
    ("scatter", scatter),
    ("scatter_along_axis", scatter_along_axis),
    ("scatter_nd", scatter_nd),
];

/// An index inside a dimension.
fn inside(index: i32, size: usize) -> Result<usize, Fault> {
    let place = i64::from(index) + if index < 0 { size as i64 } else { 0 };
    match usize::try_from(place) {
        Ok(place) if place < size => Ok(place),
        _ => Err(wrong("indices", format!("holds {index}, outside a dimension of {size}"))),
    }
}

/// The indices of a parameter as places in a dimension.
fn places(args: &Args<'_>, size: usize) -> Result<Vec<usize>, Fault> {
    let Some(indices) = args.tensor("indices")?.as_ints() else { return Err(wrong("indices", "must be of integers")) };
    indices.iter().map(|index| inside(*index, size)).collect()
}

/// Runs of `run` elements from these places, counted in runs.
fn runs(data: &Data, places: impl Iterator<Item = usize> + Clone, run: usize) -> Data {
    moved!(data, values => {
        let mut out = Vec::with_capacity(places.clone().count() * run);
        places.for_each(|at| out.extend_from_slice(values.get(at * run..(at + 1) * run).unwrap_or_default()));
        out
    })
}

fn gather(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let axis = args.axis("axis", 0, x.rank())?;
    let batch = usize::try_from(args.int("batch_dims", 0)?).unwrap_or(0);
    let [outer, size, inner] = around(x.shape(), axis);
    let places = places(args, size)?;
    let batches: usize = x.shape().get(..batch).unwrap_or_default().iter().product();
    if batch > axis {
        return Err(wrong("batch_dims", format!("is {batch}, beyond `axis`")));
    }
    let each = places.len() / batches.max(1);
    let blocks = outer / batches.max(1);
    let at = (0..outer).flat_map(|block| {
        let of_batch = block / blocks.max(1) * each;
        places.get(of_batch..of_batch + each).unwrap_or_default().iter().map(move |place| block * size + place)
    });
    args.moved(runs(x.data(), at, inner))
}

fn gather_along_axis(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let axis = args.axis("axis", 0, x.rank())?;
    let [_, size, inner] = around(x.shape(), axis);
    let count = args.tensor("indices")?.shape()[axis];
    let places = places(args, size)?;
    let at = places.iter().enumerate().map(|(i, place)| {
        let (block, column) = (i / (count * inner).max(1), i % inner.max(1));
        (block * size + place) * inner + column
    });
    args.moved(runs(x.data(), at, 1))
}

/// Where rows of indices point, in runs of elements that are not indexed, and the length of a run.
fn rows(args: &Args<'_>, shape: &[usize], batch: usize) -> Result<(Vec<usize>, usize), Fault> {
    let indices = args.tensor("indices")?;
    let Some(depth) = indices.shape().last().copied() else { return Err(misshapen("needs rows of indices")) };
    let (Some(indexed), Some(values)) = (shape.get(batch..batch + depth), indices.as_ints()) else {
        return Err(wrong("indices", format!("has rows of {depth} for {shape:?}")));
    };
    let run = shape.get(batch + depth..).unwrap_or_default().iter().product();
    let count = indices.shape()[..indices.rank() - 1].iter().product::<usize>();
    let batches: usize = shape.get(..batch).unwrap_or_default().iter().product();
    let each = count / batches.max(1);
    let row = |i: usize| {
        let row = values.get(i * depth..(i + 1) * depth).unwrap_or_default();
        let start = if batch == 0 { 0 } else { i / each.max(1) };
        row.iter().zip(indexed).try_fold(start, |at, (index, size)| Ok(at * size + inside(*index, *size)?))
    };
    Ok(((0..count).map(row).collect::<Result<_, Fault>>()?, run))
}

fn gather_nd(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let batch = usize::try_from(args.int("batch_dims", 0)?).unwrap_or(0);
    let (places, run) = rows(args, x.shape(), batch)?;
    args.moved(runs(x.data(), places.into_iter(), run))
}

/// How an update changes what is there.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    Update,
}

impl Mode {
    fn of(args: &Args<'_>) -> Self {
        match &*args.word("mode", "ADD") {
            "SUB" => Mode::Sub,
            "MUL" => Mode::Mul,
            "DIV" => Mode::Div,
            "MAX" => Mode::Max,
            "MIN" => Mode::Min,
            "UPDATE" => Mode::Update,
            _ => Mode::Add,
        }
    }

    fn float(self, old: f32, new: f32) -> f32 {
        match self {
            Mode::Add => old + new,
            Mode::Sub => old - new,
            Mode::Mul => old * new,
            Mode::Div => old / new,
            Mode::Max => {
                if new > old || new.is_nan() {
                    new
                } else {
                    old
                }
            }
            Mode::Min => {
                if new < old || new.is_nan() {
                    new
                } else {
                    old
                }
            }
            Mode::Update => new,
        }
    }

    fn int(self, old: i32, new: i32) -> i32 {
        match self {
            Mode::Add => old.wrapping_add(new),
            Mode::Sub => old.wrapping_sub(new),
            Mode::Mul => old.wrapping_mul(new),
            Mode::Div => {
                if new == 0 {
                    0
                } else {
                    old.wrapping_div(new)
                }
            }
            Mode::Max => old.max(new),
            Mode::Min => old.min(new),
            Mode::Update => new,
        }
    }
}

/// Puts runs of updates at these places, counted in runs, one after the other.
fn put(args: &mut Args<'_>, places: &[usize], run: usize) -> One {
    let mode = Mode::of(args);
    let updates = args.take("updates")?;
    if updates.len() != places.len() * run {
        return Err(misshapen(format!("has updates of {updates} for {} places", places.len())));
    }
    fn all<T: Copy>(data: &mut [T], updates: &[T], places: &[usize], run: usize, change: impl Fn(T, T) -> T) {
        for (place, updates) in places.iter().zip(updates.chunks_exact(run.max(1))) {
            let targets = data.get_mut(place * run..(place + 1) * run).unwrap_or_default();
            targets.iter_mut().zip(updates).for_each(|(old, new)| *old = change(*old, *new));
        }
    }
    let (element, shape, data) = args.take("data")?.into_parts();
    let data: Data = match (data, updates.data()) {
        (Data::Floats(data), Data::Floats(updates)) => {
            let mut data = owned(data);
            all(&mut data, updates, places, run, |old, new| mode.float(old, new));
            data.into()
        }
        (Data::Ints(data), Data::Ints(updates)) => {
            let mut data = owned(data);
            all(&mut data, updates, places, run, |old, new| mode.int(old, new));
            data.into()
        }
        _ => return Err(misshapen("needs updates of the type of `data`")),
    };
    Ok(vec![Tensor::new(element, shape, data)?])
}

fn scatter(args: &mut Args<'_>) -> One {
    let data = args.tensor("data")?;
    let axis = args.axis("axis", 0, data.rank())?;
    let [outer, size, inner] = around(data.shape(), axis);
    let indices = places(args, size)?;
    let at: Vec<usize> = (0..outer).flat_map(|block| indices.iter().map(move |place| block * size + place)).collect();
    put(args, &at, inner)
}

fn scatter_along_axis(args: &mut Args<'_>) -> One {
    let data = args.tensor("data")?;
    let axis = args.axis("axis", 0, data.rank())?;
    let [_, size, inner] = around(data.shape(), axis);
    let count = args.tensor("indices")?.shape()[axis];
    let indices = places(args, size)?;
    let at: Vec<usize> = indices
        .iter()
        .enumerate()
        .map(|(i, place)| (i / (count * inner).max(1) * size + place) * inner + i % inner.max(1))
        .collect();
    put(args, &at, 1)
}

fn scatter_nd(args: &mut Args<'_>) -> One {
    let shape = args.tensor("data")?.shape().to_vec();
    let (places, run) = rows(args, &shape, 0)?;
    put(args, &places, run)
}
