//! Operators on each element: of one input, or of two that are broadcast.

use std::sync::Arc;

use rayon::prelude::*;

use super::activation::limit;
use super::{Args, Kernel, One, map, map_slices, misshapen, owned, wrong};
use crate::element::ElementType;
use crate::exec::error::Fault;
use crate::exec::layout::{Odometer, View, merge, product};
use crate::exec::math;
use crate::exec::tensor::{CHUNK, Data, Kind, Tensor, round_floats, wrap};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("abs", |args| number(args, f32::abs, i32::wrapping_abs)),
    ("acos", |args| float(args, f32::acos)),
    ("asin", |args| float(args, f32::asin)),
    ("atan", |args| float(args, f32::atan)),
    ("atanh", |args| float(args, f32::atanh)),
    ("ceil", |args| float(args, f32::ceil)),
    ("clip", clip),
    ("cos", |args| float(args, f32::cos)),
    ("cosh", |args| float(args, f32::cosh)),
    ("erf", |args| float(args, libm::erff)),
    ("exp", |args| map_slices(args.take("x")?, math::exp_slice)),
    ("exp2", |args| number(args, f32::exp2, |x| if (0..31).contains(&x) { 1 << x } else { 0 })),
    ("floor", |args| float(args, f32::floor)),
    ("inverse", |args| with_epsilon(args, 1e-4, |x| 1.0 / x)),
    ("log", |args| with_epsilon(args, 1e-45, f32::ln)),
    ("logical_not", logical_not),
    ("round", |args| float(args, f32::round_ties_even)),
    ("rsqrt", |args| with_epsilon(args, 1e-12, |x| 1.0 / x.sqrt())),
    ("sign", |args| number(args, sign, i32::signum)),
    ("sin", |args| float(args, f32::sin)),
    ("sinh", |args| float(args, f32::sinh)),
    ("sqrt", |args| float(args, f32::sqrt)),
    ("square", |args| number(args, |x| x * x, |x| x.wrapping_mul(x))),
    ("tan", |args| float(args, f32::tan)),
    ("tanh", |args| map_slices(args.take("x")?, math::tanh_slice)),
    ("threshold", threshold),
    ("cast", cast),
    ("add", |args| arithmetic(args, |x, y| x + y, i32::wrapping_add)),
    ("sub", |args| arithmetic(args, |x, y| x - y, i32::wrapping_sub)),
    ("mul", |args| arithmetic(args, |x, y| x * y, i32::wrapping_mul)),
    // By 0 an integer gives 0, as NumPy's integer division does.
    ("real_div", |args| arithmetic(args, |x, y| x / y, |x, y| if y == 0 { 0 } else { x.wrapping_div(y) })),
    ("floor_div", |args| arithmetic(args, floor_div, floor_div_int)),
    ("mod", |args| arithmetic(args, modulo, modulo_int)),
    ("pow", |args| arithmetic(args, power, power_int)),
    ("maximum", |args| arithmetic(args, maximum, Ord::max)),
    ("minimum", |args| arithmetic(args, minimum, Ord::min)),
    ("equal", |args| comparison(args, |x, y| x == y, |x, y| x == y)),
    ("not_equal", |args| comparison(args, |x, y| x != y, |x, y| x != y)),
    ("greater", |args| comparison(args, |x, y| x > y, |x, y| x > y)),
    ("greater_equal", |args| comparison(args, |x, y| x >= y, |x, y| x >= y)),
    ("less", |args| comparison(args, |x, y| x < y, |x, y| x < y)),
    ("less_equal", |args| comparison(args, |x, y| x <= y, |x, y| x <= y)),
    ("logical_and", |args| logical(args, |x, y| x & y)),
    ("logical_or", |args| logical(args, |x, y| x | y)),
    ("logical_xor", |args| logical(args, |x, y| x ^ y)),
    ("select", select),
];

fn float(args: &mut Args<'_>, change: fn(f32) -> f32) -> One {
    map(args.take("x")?, change)
}

fn number(args: &mut Args<'_>, float: fn(f32) -> f32, int: fn(i32) -> i32) -> One {
    let x = args.take("x")?;
    if x.as_floats().is_some() {
        return map(x, float);
    }
    let (element, shape, data) = x.into_parts();
    let Data::Ints(values) = data else { return Err(misshapen("needs numbers")) };
    let values: Vec<i32> = values.iter().map(|value| int(*value)).collect();
    Ok(vec![Tensor::new(element, shape, values)?])
}

/// Functions of `x` plus a small number; the number is of the type that the parameter has.
fn with_epsilon(args: &mut Args<'_>, default: f32, change: fn(f32) -> f32) -> One {
    let epsilon = args.float("epsilon", default)?;
    map(args.take("x")?, |x| change(x + epsilon))
}

/// -1, 0 or 1; a NaN stays.
fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else if x.is_nan() {
        x
    } else {
        0.0
    }
}

fn clip(args: &mut Args<'_>) -> One {
    let (low, high) = (args.float("alpha", f32::NEG_INFINITY)?, args.float("beta", f32::INFINITY)?);
    map(args.take("x")?, |x| limit(x, low, high))
}

fn threshold(args: &mut Args<'_>) -> One {
    let alpha = args.float("alpha", 0.0)?;
    let x = args.take("x")?;
    if x.as_floats().is_some() {
        return map(x, |x| if x < alpha { alpha } else { x });
    }
    let (element, shape, data) = x.into_parts();
    let Data::Ints(values) = data else { return Err(misshapen("needs numbers")) };
    let values: Vec<i32> = values.iter().map(|value| (*value).max(alpha as i32)).collect();
    Ok(vec![Tensor::new(element, shape, values)?])
}

fn logical_not(args: &mut Args<'_>) -> One {
    let x = args.take("x")?;
    let values: Vec<bool> = x.as_bools().unwrap_or_default().iter().map(|value| !value).collect();
    args.moved(values.into())
}

/// Floats are cut off towards zero; integers too wide for the type wrap; what is not 0 is true.
fn cast(args: &mut Args<'_>) -> One {
    let element = args.element(0)?;
    let x = args.take("x")?;
    let shape = x.shape().to_vec();
    let data: Data = match (x.data(), Kind::of(element)) {
        (Data::Floats(_), Some(Kind::Float)) => {
            let wider = element == ElementType::Fp32;
            let data = x.into_parts().2;
            return Ok(vec![if wider {
                Tensor::moved(element, shape, data)?
            } else {
                Tensor::new(element, shape, data)?
            }]);
        }
        (Data::Floats(values), Some(Kind::Int)) => {
            values.par_iter().map(|value| *value as i32).collect::<Vec<_>>().into()
        }
        (Data::Floats(values), _) => values.par_iter().map(|value| *value != 0.0).collect::<Vec<_>>().into(),
        (Data::Ints(values), Some(Kind::Float)) => {
            values.par_iter().map(|value| *value as f32).collect::<Vec<_>>().into()
        }
        (Data::Ints(values), Some(Kind::Int)) => Data::Ints(values.clone()),
        (Data::Ints(values), _) => values.iter().map(|value| *value != 0).collect::<Vec<_>>().into(),
        (Data::Bools(values), Some(Kind::Float)) => {
            values.iter().map(|value| f32::from(u8::from(*value))).collect::<Vec<_>>().into()
        }
        (Data::Bools(values), Some(Kind::Int)) => {
            values.iter().map(|value| i32::from(*value)).collect::<Vec<_>>().into()
        }
        (Data::Bools(values), _) => Data::Bools(values.clone()),
    };
    Ok(vec![Tensor::new(element, shape, data)?])
}

fn floor_div(x: f32, y: f32) -> f32 {
    (x / y).floor()
}

fn floor_div_int(x: i32, y: i32) -> i32 {
    if y == 0 {
        return 0;
    }
    let (quotient, rest) = (x.wrapping_div(y), x.wrapping_rem(y));
    if rest != 0 && (rest < 0) != (y < 0) { quotient - 1 } else { quotient }
}

/// The rest with the sign of the divisor.
fn modulo(x: f32, y: f32) -> f32 {
    let rest = x % y;
    if rest != 0.0 && (rest < 0.0) != (y < 0.0) { rest + y } else { rest }
}

fn modulo_int(x: i32, y: i32) -> i32 {
    if y == 0 {
        return 0;
    }
    let rest = x.wrapping_rem(y);
    if rest != 0 && (rest < 0) != (y < 0) { rest.wrapping_add(y) } else { rest }
}

fn power(x: f32, y: f32) -> f32 {
    if y == 2.0 { x * x } else { x.powf(y) }
}

fn power_int(x: i32, y: i32) -> i32 {
    match (x, u32::try_from(y)) {
        (_, Ok(y)) => x.wrapping_pow(y),
        (1, _) => 1,
        (-1, _) => 1 - 2 * (y & 1),
        _ => 0,
    }
}

/// The larger; a NaN wins.
fn maximum(x: f32, y: f32) -> f32 {
    if x > y || x.is_nan() { x } else { y }
}

fn minimum(x: f32, y: f32) -> f32 {
    if x < y || x.is_nan() { x } else { y }
}

fn arithmetic(
    args: &mut Args<'_>,
    float: impl Fn(f32, f32) -> f32 + Sync,
    int: impl Fn(i32, i32) -> i32 + Sync,
) -> One {
    let (element, shape) = (args.element(0)?, args.shape(0)?);
    let (x, y) = (args.take("x")?, args.take("y")?);
    let (xs, ys) = (x.shape().to_vec(), y.shape().to_vec());
    match (x.into_parts().2, y.into_parts().2) {
        (Data::Floats(x), Data::Floats(y)) => {
            let values = broadcast_floats((x, &xs), (y, &ys), element, &shape, float);
            Ok(vec![Tensor::moved(element, shape, values.into())?])
        }
        (Data::Ints(x), Data::Ints(y)) => {
            args.one(broadcast((&x, &xs), (&y, &ys), &shape, |x, y| wrap(element, int(x, y))))
        }
        _ => Err(misshapen("needs two inputs of one type")),
    }
}

/// Floats of two tensors put together and rounded, in the memory of the one that is as large as the result where nobody
/// else holds it.
fn broadcast_floats(
    (x, xs): (Arc<Vec<f32>>, &[usize]),
    (y, ys): (Arc<Vec<f32>>, &[usize]),
    element: ElementType,
    shape: &[usize],
    combine: impl Fn(f32, f32) -> f32 + Sync,
) -> Vec<f32> {
    if xs == shape && (ys == shape || y.len() == 1) {
        let mut x = owned(x);
        let single = y.first().copied().filter(|_| y.len() == 1);
        x.par_chunks_mut(CHUNK).enumerate().for_each(|(i, x)| {
            match single {
                Some(y) => x.iter_mut().for_each(|x| *x = combine(*x, y)),
                None => x.iter_mut().zip(&y[i * CHUNK..]).for_each(|(x, y)| *x = combine(*x, *y)),
            }
            round_floats(element, x);
        });
        return x;
    }
    if ys == shape && x.len() == 1 {
        let mut y = owned(y);
        let x = x[0];
        y.par_chunks_mut(CHUNK).for_each(|y| {
            y.iter_mut().for_each(|y| *y = combine(x, *y));
            round_floats(element, y);
        });
        return y;
    }
    let mut values = broadcast((&x, xs), (&y, ys), shape, combine);
    round_floats(element, &mut values);
    values
}

/// Elements of two tensors put together, each repeated along the dimensions that only the other has.
pub(super) fn broadcast<T: Copy + Default + Sync, R: Copy + Default + Send>(
    (x, xs): (&[T], &[usize]),
    (y, ys): (&[T], &[usize]),
    shape: &[usize],
    combine: impl Fn(T, T) -> R + Sync,
) -> Vec<R> {
    let count = product(shape);
    let mut out = vec![R::default(); count];
    if count == 0 || x.is_empty() || y.is_empty() {
        return out;
    }
    let (x_view, y_view) = (View::new(xs).broadcast(shape), View::new(ys).broadcast(shape));
    let merged = merge(shape, [x_view.walk().0, y_view.walk().0]);
    let (length, [x_step, y_step]) = merged.inner();
    let rows = (CHUNK / length).max(1);
    out.par_chunks_mut(length * rows).enumerate().for_each(|(chunk, out)| {
        let mut row = Odometer::at(&merged, chunk * rows);
        for out in out.chunks_exact_mut(length) {
            let [x_start, y_start] = row.places.map(isize::unsigned_abs);
            let (x, y) = (x.get(x_start..).unwrap_or_default(), y.get(y_start..).unwrap_or_default());
            match (x_step, y_step, x, y) {
                (1, 0, x, [y, ..]) => out.iter_mut().zip(x).for_each(|(out, x)| *out = combine(*x, *y)),
                (0, 1, [x, ..], y) => out.iter_mut().zip(y).for_each(|(out, y)| *out = combine(*x, *y)),
                (1, 1, x, y) => out.iter_mut().zip(x.iter().zip(y)).for_each(|(out, (x, y))| *out = combine(*x, *y)),
                _ => {
                    let (x_step, y_step) = (x_step.unsigned_abs(), y_step.unsigned_abs());
                    for (i, out) in out.iter_mut().enumerate() {
                        if let (Some(x), Some(y)) = (x.get(i * x_step), y.get(i * y_step)) {
                            *out = combine(*x, *y);
                        }
                    }
                }
            }
            row.advance(&merged);
        }
    });
    out
}

fn comparison(
    args: &mut Args<'_>,
    float: impl Fn(f32, f32) -> bool + Sync,
    int: impl Fn(i32, i32) -> bool + Sync,
) -> One {
    let shape = args.shape(0)?;
    let (x, y) = (args.tensor("x")?, args.tensor("y")?);
    let (xs, ys) = (x.shape(), y.shape());
    let values = match (x.data(), y.data()) {
        (Data::Floats(x), Data::Floats(y)) => broadcast((x, xs), (y, ys), &shape, float),
        (Data::Ints(x), Data::Ints(y)) => broadcast((x, xs), (y, ys), &shape, int),
        _ => return Err(misshapen("needs two inputs of one type")),
    };
    args.moved(values.into())
}

fn logical(args: &mut Args<'_>, combine: impl Fn(bool, bool) -> bool + Sync) -> One {
    let shape = args.shape(0)?;
    let (x, y) = (args.tensor("x")?, args.tensor("y")?);
    let (Some(a), Some(b)) = (x.as_bools(), y.as_bools()) else { return Err(misshapen("needs truth values")) };
    args.moved(broadcast((a, x.shape()), (b, y.shape()), &shape, combine).into())
}

/// `a` where `cond` holds, else `b`; the three are broadcast together.
fn select(args: &mut Args<'_>) -> One {
    let (cond, a, b) = (args.tensor("cond")?, args.tensor("a")?, args.tensor("b")?);
    let element = args.element(0)?;
    let shape = args.shape(0)?;
    if joined(&shape, cond.shape())? != shape {
        // coremltools declares the shape of `a` and `b`, which could not hold the result.
        return Err(wrong("cond", format!("is {cond}, larger than the result")));
    }
    let spread = |tensor: &Tensor| View::new(tensor.shape()).broadcast(&shape).copy_data(tensor.data());
    let Data::Bools(cond) = spread(cond) else { return Err(misshapen("needs truth values")) };
    let (a, b) = (spread(a), spread(b));
    let data = match (&a, &b) {
        (Data::Floats(a), Data::Floats(b)) => choose(&cond, a, b).into(),
        (Data::Ints(a), Data::Ints(b)) => choose(&cond, a, b).into(),
        (Data::Bools(a), Data::Bools(b)) => choose(&cond, a, b).into(),
        _ => return Err(misshapen("needs two inputs of one type")),
    };
    Ok(vec![Tensor::moved(element, shape, data)?])
}

fn choose<T: Copy + Send + Sync>(cond: &[bool], a: &[T], b: &[T]) -> Vec<T> {
    cond.par_iter().zip(a.par_iter().zip(b)).map(|(cond, (a, b))| if *cond { *a } else { *b }).collect()
}

/// The shape of two that are broadcast together.
pub(super) fn joined(x: &[usize], y: &[usize]) -> Result<Vec<usize>, Fault> {
    let rank = x.len().max(y.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|i| match (at(x, i), at(y, i)) {
            (1, other) | (other, 1) => Ok(other),
            (a, b) if a == b => Ok(a),
            _ => Err(misshapen(format!("the shapes {x:?} and {y:?} do not go together"))),
        })
        .collect()
}
