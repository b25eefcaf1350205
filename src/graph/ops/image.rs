//! Images resized, cropped and sampled. CT:ops/defs/iOS15/image_resizing.py, iOS16, iOS17.

use crate::element::ElementType::{self, *};
use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, TensorType};

use super::call::{Call, Constant};
use super::fault::{OpError, OpRule};
use super::shape::{One, expect_dim, map_dim, one, open, positive, rank_in, size, unknown};
use super::table::*;

const SAMPLING: &[&str] = &["DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "UNALIGN_CORNERS", "OFFSET_CORNERS"];
const BOXES: &[&str] =
    &["CORNERS_HEIGHT_FIRST", "CORNERS_WIDTH_FIRST", "CENTER_SIZE_HEIGHT_FIRST", "CENTER_SIZE_WIDTH_FIRST"];
const FACTOR: Accepts = u(&[Fp32, Int32]);
const X: Parameter = live("x", t(FLOATS));
const FACTORS: [Parameter; 2] = [fixed_opt("scale_factor_height", FACTOR), fixed_opt("scale_factor_width", FACTOR)];

const UPSAMPLE_BILINEAR_6: &[Parameter] =
    &[X, FACTORS[0], FACTORS[1], fixed_opt("align_corners", BOOL), fixed_opt("half_pixel_centers", BOOL)];
const HEIGHT: Parameter = fixed_opt("target_height", INT32);
const WIDTH: Parameter = fixed_opt("target_width", INT32);
const NORMALIZED: Parameter = fixed_opt("normalized_coordinates", BOOL);
const SCALE: Parameter = fixed_opt("spatial_scale", FP32);
const BOX_MODE: Parameter = fixed_opt("box_coordinate_mode", TEXT);
const SAMPLING_MODE: Parameter = fixed_opt("sampling_mode", TEXT);
const PAD_VALUE: Parameter = fixed_opt("pad_value", t(FLOATS));
const ROI: Parameter = live("roi", t(FLOATS));
const CROP_RESIZE_7: &[Parameter] = &[
    X,
    live("boxes", Accepts::Group('B', &[Fp16, Fp32, Uint16])),
    live_opt("box_indices", Accepts::Group('N', &[Int32, Uint16])),
    HEIGHT,
    WIDTH,
    NORMALIZED,
    SCALE,
    BOX_MODE,
    SAMPLING_MODE,
    PAD_VALUE,
];

const fn sampling_parameters() -> [Parameter; 5] {
    [
        fixed("sampling_mode", TEXT),
        fixed("padding_mode", TEXT),
        fixed("padding_value", t(FLOATS)),
        fixed("coordinates_mode", TEXT),
        fixed("align_corners", BOOL),
    ]
}

const fn resample_parameters(coordinates: &'static [ElementType]) -> [Parameter; 7] {
    let [sampling, padding, value, mode, corners] = sampling_parameters();
    [X, live("coordinates", u(coordinates)), sampling, padding, value, mode, corners]
}

const fn affine_parameters() -> [Parameter; 9] {
    let [sampling, padding, value, mode, corners] = sampling_parameters();
    let (height, width) = (fixed("output_height", INT32), fixed("output_width", INT32));
    [X, live("transform_matrix", t(FLOATS)), height, width, sampling, padding, value, mode, corners]
}

const RESIZE_7: &[Parameter] = &[
    live("x", t(NUMBERS)),
    live("shape", u(&[Int16, Int32, Uint16, Uint32])),
    fixed("resized_dims", Accepts::Tensor(&[Uint32])),
    fixed_opt("interpolation_mode", TEXT),
    SAMPLING_MODE,
];

pub(super) static OPERATORS: &[Operator] = &[
    operator("upsample_nearest_neighbor", &[since(CoreML5, &[X, FACTORS[0], FACTORS[1]], upsample)]),
    operator(
        "upsample_bilinear",
        &[
            since(CoreML5, &[X, FACTORS[0], FACTORS[1], fixed_opt("align_corners", BOOL)], upsample),
            since(CoreML6, UPSAMPLE_BILINEAR_6, upsample),
        ],
    ),
    operator(
        "resize_nearest_neighbor",
        &[since(CoreML5, &[X, fixed("target_size_height", INT32), fixed("target_size_width", INT32)], resize_to)],
    ),
    operator(
        "resize_bilinear",
        &[since(
            CoreML5,
            &[X, fixed_opt("target_size_height", INT32), fixed_opt("target_size_width", INT32), SAMPLING_MODE],
            resize_to,
        )],
    ),
    operator("resize", &[since(CoreML7, RESIZE_7, resize)]),
    operator("crop", &[since(CoreML5, &[X, fixed("crop_height", INT32), fixed("crop_width", INT32)], crop)]),
    operator(
        "crop_resize",
        &[
            since(CoreML5, &[X, ROI, HEIGHT, WIDTH, NORMALIZED, SCALE, BOX_MODE, SAMPLING_MODE], crop_resize_5),
            since(
                CoreML6,
                &[X, ROI, HEIGHT, WIDTH, NORMALIZED, SCALE, BOX_MODE, SAMPLING_MODE, PAD_VALUE],
                crop_resize_5,
            ),
            since(CoreML7, CROP_RESIZE_7, crop_resize_7),
        ],
    ),
    operator("affine", &[since(CoreML5, &affine_parameters(), affine)]),
    operator(
        "resample",
        &[
            since(CoreML5, &resample_parameters(&[Int32, Fp32]), resample),
            since(CoreML6, &resample_parameters(NUMBERS), resample),
            since(CoreML7, &resample_parameters(MOVABLE_NUMBERS), resample),
        ],
    ),
];

/// Height and width are the last two dimensions; the factors round down.
fn upsample(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    rank_in("x", x, 3..=usize::MAX)?;
    let Some(rank) = x.rank() else { return open(x.element) };
    let mut shape = x.shape.clone();
    for (at, parameter) in [(rank - 2, "scale_factor_height"), (rank - 1, "scale_factor_width")] {
        shape[at] = match call.float(parameter)?.or(1.0) {
            Some(factor) if factor > 0.0 && factor.is_finite() => scaled(shape[at], factor),
            Some(factor) => {
                return Err(OpError::at(OpRule::Value, parameter, format!("is {factor}; it must be positive")));
            }
            None => Dim::Unknown,
        };
    }
    one(x.element, shape)
}

/// A size times a factor, rounded down. Where it depends on the precision of the product whether that reaches the next
/// whole number, as for 10 · 0.7, it is left open: coremltools takes whatever NumPy makes of a scalar and an integer.
fn scaled(size: Dim, factor: f64) -> Dim {
    let Dim::Known(size) = size else { return Dim::Unknown };
    let (wide, narrow) = (size as f64 * factor, size as f32 * factor as f32);
    if wide.floor() != f64::from(narrow).floor() {
        return Dim::Unknown;
    }
    Dim::Known(wide.floor() as u64)
}

/// A size given as a constant, 1 by default.
fn target(call: &Call<'_>, parameter: &'static str) -> Result<Dim, OpError> {
    Ok(call.int(parameter)?.or(1).map(|given| positive(parameter, given)).transpose()?.into())
}

fn resize_to(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    rank_in("x", x, 3..=usize::MAX)?;
    call.word("sampling_mode", SAMPLING)?;
    let Some(rank) = x.rank() else { return open(x.element) };
    let mut shape = x.shape.clone();
    shape[rank - 2] = target(call, "target_size_height")?;
    shape[rank - 1] = target(call, "target_size_width")?;
    one(x.element, shape)
}

/// The last `resized_dims` dimensions get the last sizes of `shape`; 0 means as before.
fn resize(call: &Call<'_>) -> One {
    let (x, given) = (call.tensor("x")?, call.tensor("shape")?);
    rank_in("shape", given, 1..=1)?;
    call.word("interpolation_mode", &["LINEAR", "NEAREST_NEIGHBOR"])?;
    call.word("sampling_mode", SAMPLING)?;
    let Some(rank) = x.rank() else { return open(x.element) };
    let Some(resized) = call.int("resized_dims")?.known() else { return one(x.element, unknown(rank)) };
    let sizes = call.ints("shape")?.known();
    let available = sizes.as_ref().map(|sizes| sizes.len() as u64).or(given.count());
    let resized = match usize::try_from(resized) {
        Ok(resized) if resized <= rank && available.is_none_or(|available| resized as u64 <= available) => resized,
        _ => {
            let message = format!("is {resized}, more than `shape` or the dimensions of `x` ({x})");
            return Err(OpError::at(OpRule::Value, "resized_dims", message));
        }
    };
    if available.is_some_and(|available| available > rank as u64) {
        return Err(OpError::at(OpRule::Shape, "shape", format!("has more sizes than `x` has dimensions ({x})")));
    }
    let mut shape = x.shape.clone();
    for i in 0..resized {
        let at = rank - resized + i;
        shape[at] = match sizes.as_ref().map(|sizes| sizes[sizes.len() - resized + i]) {
            Some(0) => shape[at],
            Some(to) => Dim::Known(size("shape", to)?),
            None => Dim::Unknown,
        };
    }
    one(x.element, shape)
}

fn crop(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    rank_in("x", x, 3..=usize::MAX)?;
    let Some(rank) = x.rank() else { return open(x.element) };
    let mut shape = x.shape.clone();
    for (at, parameter) in [(rank - 2, "crop_height"), (rank - 1, "crop_width")] {
        shape[at] = match call.ints(parameter)?.known().as_deref() {
            Some([before, after]) => {
                let (before, after) = (size(parameter, *before)?, size(parameter, *after)?);
                let cropped = map_dim(shape[at], |size| size.checked_sub(before)?.checked_sub(after));
                cropped
                    .map_err(|_| OpError::at(OpRule::Shape, parameter, format!("cuts off more than there is ({x})")))?
            }
            Some(_) => return Err(OpError::at(OpRule::Shape, parameter, "must be two values")),
            None => Dim::Unknown,
        };
    }
    one(x.element, shape)
}

fn check_crop_modes(call: &Call<'_>) -> Result<(), OpError> {
    call.word("box_coordinate_mode", BOXES)?;
    call.word("sampling_mode", SAMPLING)?;
    Ok(())
}

/// `x` is [B, C, H, W], `roi` [N, 1, 4 or 5, 1, 1]; the result is [N, B, C, height, width].
fn crop_resize_5(call: &Call<'_>) -> One {
    let (x, roi) = (call.tensor("x")?, call.tensor("roi")?);
    check_crop_modes(call)?;
    let ranked = (rank_in("x", x, 4..=4)?, rank_in("roi", roi, 5..=5)?);
    let (Some(_), Some(_)) = ranked else { return one(x.element, unknown(5)) };
    let sizes = [target(call, "target_height")?, target(call, "target_width")?];
    one(x.element, vec![roi.shape[0], x.shape[0], x.shape[1], sizes[0], sizes[1]])
}

/// Since CoreML7 `boxes` is [N, 4] and `box_indices` [N]; the result is [N, C, height, width].
fn crop_resize_7(call: &Call<'_>) -> One {
    let (x, boxes) = (call.tensor("x")?, call.tensor("boxes")?);
    check_crop_modes(call)?;
    if call.bool("normalized_coordinates")?.or(false) == Some(true) && !boxes.element.is_float() {
        let message = format!("is {}; with `normalized_coordinates` it must be a float", boxes.element);
        return Err(OpError::at(OpRule::DType, "boxes", message));
    }
    let ranked = (rank_in("x", x, 4..=4)?, rank_in("boxes", boxes, 2..=2)?);
    let (Some(_), Some(_)) = ranked else { return one(x.element, unknown(4)) };
    expect_dim("boxes", boxes, 1, Dim::Known(4), "the number of coordinates")?;
    if let Some(indices) = call.tensor_if("box_indices")? {
        rank_in("box_indices", indices, 1..=1)?;
        expect_dim("box_indices", indices, 0, boxes.shape[0], "the number of boxes")?;
        check_batch(call, x)?;
    } else if let (Dim::Known(count), Dim::Known(batch)) = (boxes.shape[0], x.shape[0])
        && count > batch
    {
        // Box i is then of image i.
        let message = format!("is required, since there are {count} boxes for {batch} images");
        return Err(OpError::at(OpRule::Parameter, "box_indices", message));
    }
    one(x.element, vec![boxes.shape[0], x.shape[1], target(call, "target_height")?, target(call, "target_width")?])
}

/// Indices of images that there are.
fn check_batch(call: &Call<'_>, x: &TensorType) -> Result<(), OpError> {
    let (Constant::Known(indices), Dim::Known(batch)) = (call.ints("box_indices")?, x.shape[0]) else { return Ok(()) };
    match indices.iter().find(|index| u64::try_from(**index).is_ok_and(|index| index >= batch)) {
        Some(index) => Err(OpError::at(OpRule::Value, "box_indices", format!("holds {index}; `x` has {batch} images"))),
        None => Ok(()),
    }
}

/// The one way that Core ML has it: bilinear, constant zero outside, coordinates from -1 to 1.
fn affine(call: &Call<'_>) -> One {
    let (x, matrix) = (call.tensor("x")?, call.tensor("transform_matrix")?);
    call.word("sampling_mode", &["bilinear"])?;
    call.word("coordinates_mode", &["normalized_minus_one_to_one"])?;
    call.word("padding_mode", &["constant"])?;
    if let Some(value) = call.float("padding_value")?.known().filter(|value| *value != 0.0) {
        return Err(OpError::at(OpRule::Value, "padding_value", format!("is {value}; it must be 0")));
    }
    let ranked = (rank_in("x", x, 4..=4)?, rank_in("transform_matrix", matrix, 2..=2)?);
    let (Some(_), Some(_)) = ranked else { return one(x.element, unknown(4)) };
    expect_dim("transform_matrix", matrix, 1, Dim::Known(6), "the number of coefficients")?;
    one(x.element, vec![x.shape[0], x.shape[1], target(call, "output_height")?, target(call, "output_width")?])
}

/// `x` is [B, C, H, W], `coordinates` [B, height, width, 2].
fn resample(call: &Call<'_>) -> One {
    let (x, coordinates) = (call.tensor("x")?, call.tensor("coordinates")?);
    let ranked = (rank_in("x", x, 4..=4)?, rank_in("coordinates", coordinates, 4..=4)?);
    let (Some(_), Some(_)) = ranked else { return one(x.element, unknown(4)) };
    expect_dim("coordinates", coordinates, 0, x.shape[0], "the number of images in `x`")?;
    expect_dim("coordinates", coordinates, 3, Dim::Known(2), "the number of coordinates")?;
    one(x.element, vec![x.shape[0], x.shape[1], coordinates.shape[1], coordinates.shape[2]])
}
