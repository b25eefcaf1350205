//! Compressed constants against an implementation that looks at one element at a time, and against the schemes whose
//! operators `lower::encode` writes.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::HashMap;

use bitmill::element::ElementType;
use bitmill::exec::constexpr::{Constant, evaluate};
use bitmill::graph::Opset;
use bitmill::lower::encode::Shaped;
use bitmill::lower::{Data, Holds, Operand, encode};
use bitmill::plan::Fitted;
use bitmill::quant::pack;
use bitmill::scheme::{Arithmetic, FloatType, Mapping, PaletteFit, ScaleSearch, Sparsity};
use half::f16;
use proptest::prelude::*;

/// A tensor as numbers, whatever its type.
#[derive(Debug, Clone)]
struct Tensor {
    element: ElementType,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Tensor {
    fn new(element: ElementType, shape: &[usize], values: Vec<f32>) -> Tensor {
        assert_eq!(values.len(), shape.iter().product::<usize>());
        Tensor { element, shape: shape.to_vec(), values }
    }

    fn at(&self, index: &[usize]) -> f32 {
        let place = self.shape.iter().zip(index).fold(0, |place, (size, index)| place * size + index);
        self.values[place]
    }

    fn constant(&self) -> Constant {
        let bytes: Vec<u8> = match self.element {
            ElementType::Fp16 => self.values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            ElementType::Fp32 => self.values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ElementType::Int32 => self.values.iter().flat_map(|v| (*v as i32).to_le_bytes()).collect(),
            ElementType::Uint32 => self.values.iter().flat_map(|v| (*v as u32).to_le_bytes()).collect(),
            narrow => {
                let mask = if narrow.bits() == 8 { 0xff } else { (1 << narrow.bits()) - 1 };
                let codes: Vec<u8> = self.values.iter().map(|v| *v as i32 as u8 & mask).collect();
                pack::pack::<u8>(&codes, narrow.bits() as u8).unwrap()
            }
        };
        Constant { element: self.element, shape: self.shape.clone(), bytes: bytes.into() }
    }
}

/// Every index of a shape, row by row.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &size| {
        all.into_iter().flat_map(|index| (0..size).map(move |i| [&index[..], &[i]].concat())).collect()
    })
}

/// The block of an element, where a tensor of `shape` is cut into `blocks` along each axis.
fn block(index: &[usize], shape: &[usize], blocks: &[usize]) -> Vec<usize> {
    index.iter().zip(shape.iter().zip(blocks)).map(|(i, (size, blocks))| i / (size / blocks)).collect()
}

/// The values of one output, as bytes.
fn run(operator: &str, parameters: &[(&str, &Tensor)]) -> Vec<Constant> {
    let known: HashMap<&str, Constant> = parameters.iter().map(|(name, tensor)| (*name, tensor.constant())).collect();
    evaluate(operator, &|name: &str| known.get(name).cloned()).unwrap()
}

/// Pseudo-random numbers from a seed, each below a bound.
fn numbers(seed: u64, count: usize, bound: u64) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % bound
    };
    (0..count).map(|_| next() as f32).collect()
}

/// Values that fp16 holds.
fn floats(seed: u64, count: usize) -> Vec<f32> {
    numbers(seed, count, 2000).into_iter().map(|n| f16::from_f32((n - 1000.0) * 0.0137).to_f32()).collect()
}

/// Codes of an integer type.
fn codes(element: ElementType, seed: u64, shape: &[usize]) -> Tensor {
    let low = if element.is_signed() { -((1 << (element.bits() - 1)) as f32) } else { 0.0 };
    let values = numbers(seed, shape.iter().product(), 1 << element.bits());
    Tensor::new(element, shape, values.into_iter().map(|n| n + low).collect())
}

/// A shape, as blocks along each axis and elements of a block.
fn shapes() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    prop::collection::vec((1usize..4, 1usize..4), 1..5).prop_map(|axes| {
        let shape = axes.iter().map(|(blocks, extent)| blocks * extent).collect();
        (shape, axes.into_iter().map(|(blocks, _)| blocks).collect())
    })
}

fn float_types() -> impl Strategy<Value = ElementType> {
    prop::sample::select(vec![ElementType::Fp16, ElementType::Fp32])
}

fn rounded(value: f32, element: ElementType) -> f32 {
    if element == ElementType::Fp16 { f16::from_f32(value).to_f32() } else { value }
}

proptest! {
    #[test]
    fn integers_are_shifted_and_scaled(
        (shape, blocks) in shapes(),
        code in prop::sample::select(vec![ElementType::Int4, ElementType::Uint4, ElementType::Int8, ElementType::Uint8]),
        float in float_types(),
        shifted: bool,
        seed: u64,
    ) {
        let data = codes(code, seed, &shape);
        let scale = Tensor::new(float, &blocks, floats(seed ^ 1, blocks.iter().product()));
        let offset = codes(code, seed ^ 2, &blocks);
        let mut parameters = vec![("data", &data), ("scale", &scale)];
        parameters.extend(shifted.then_some(("offset", &offset)));
        let expected = indices(&shape).into_iter().map(|index| {
            let at = block(&index, &shape, &blocks);
            let shift = if shifted { offset.at(&at) } else { 0.0 };
            rounded((data.at(&index) - shift) * scale.at(&at), float)
        });
        let expected = Tensor::new(float, &shape, expected.collect()).constant();
        prop_assert_eq!(run("constexpr_blockwise_shift_scale", &parameters), vec![expected.clone()]);

        // What stays of a mask has the same values.
        let mask = codes(ElementType::Uint1, seed ^ 3, &shape);
        let kept = |tensor: &Tensor| {
            let values: Vec<f32> = tensor.values.iter().zip(&mask.values).filter(|(_, m)| **m == 1.0).map(|(v, _)| *v).collect();
            Tensor::new(tensor.element, &[values.len()], values)
        };
        let dense = Tensor::new(float, &shape, expected.to_f32().unwrap());
        let sparse = kept(&data);
        parameters[0] = ("nonzero_data", &sparse);
        parameters.push(("data_mask", &mask));
        let found = run("constexpr_sparse_blockwise_shift_scale", &parameters);
        prop_assert_eq!(found, vec![mask.constant(), kept(&dense).constant()]);
        let masked = dense.values.iter().zip(&mask.values).map(|(v, m)| if *m == 1.0 { *v } else { 0.0 }).collect();
        let spread = run("constexpr_sparse_to_dense", &[("nonzero_data", &kept(&dense)), ("mask", &mask)]);
        prop_assert_eq!(spread, vec![Tensor::new(float, &shape, masked).constant()]);
    }

    #[test]
    fn palettes_are_looked_up(
        (shape, blocks) in shapes(),
        index_type in prop::sample::select(vec![
            ElementType::Uint1, ElementType::Uint2, ElementType::Uint3, ElementType::Uint4, ElementType::Uint6,
            ElementType::Uint8,
        ]),
        entry in prop::sample::select(vec![ElementType::Fp16, ElementType::Fp32, ElementType::Int8]),
        vector in 1usize..4,
        axis: prop::sample::Index,
        backwards: bool,
        seed: u64,
    ) {
        let axis = axis.index(shape.len());
        let entries = 1usize << index_type.bits();
        let table_shape = [&blocks[..], &[entries, vector]].concat();
        let count = table_shape.iter().product();
        let table = match entry {
            ElementType::Int8 => codes(entry, seed ^ 1, &table_shape),
            _ => Tensor::new(entry, &table_shape, floats(seed ^ 1, count)),
        };
        let index = codes(index_type, seed, &shape);
        let mut result = shape.clone();
        result[axis] *= vector;
        let along = if backwards { axis as f32 - shape.len() as f32 } else { axis as f32 };
        let along = Tensor::new(ElementType::Int32, &[], vec![along]);
        let mut parameters = vec![("indices", &index), ("lut", &table)];
        parameters.extend((vector > 1).then_some(("vector_axis", &along)));
        let expected = indices(&result).into_iter().map(|mut place| {
            let part = place[axis] % vector;
            place[axis] /= vector;
            let at = block(&place, &shape, &blocks);
            table.at(&[&at[..], &[index.at(&place) as usize, part]].concat())
        });
        let expected = Tensor::new(entry, &result, expected.collect());
        prop_assert_eq!(run("constexpr_lut_to_dense", &parameters), vec![expected.constant()]);

        // Indices of what stays, and as many values for each as a vector has.
        let mask = codes(ElementType::Uint1, seed ^ 3, &shape);
        let kept: Vec<f32> = index.values.iter().zip(&mask.values).filter(|(_, m)| **m == 1.0).map(|(v, _)| *v).collect();
        let kept = Tensor::new(index_type, &[kept.len()], kept);
        parameters[0] = ("indices_nonzero_data", &kept);
        parameters.push(("indices_mask", &mask));
        let stays: Vec<f32> = indices(&result).into_iter().map(|mut place| {
            place[axis] /= vector;
            mask.at(&place)
        }).collect();
        let values: Vec<f32> = expected.values.iter().zip(&stays).filter(|(_, m)| **m == 1.0).map(|(v, _)| *v).collect();
        let expected = vec![
            Tensor::new(ElementType::Uint1, &result, stays).constant(),
            Tensor::new(entry, &[values.len()], values).constant(),
        ];
        prop_assert_eq!(run("constexpr_lut_to_sparse", &parameters), expected);
    }

    /// Whatever a program of a stranger binds to whichever parameter: values or an error.
    #[test]
    fn anything_is_an_answer(
        operator in prop::sample::select(vec![
            "constexpr_affine_dequantize", "constexpr_blockwise_shift_scale", "constexpr_lut_to_dense",
            "constexpr_sparse_to_dense", "constexpr_lut_to_sparse", "constexpr_sparse_blockwise_shift_scale",
            "constexpr_cast", "constexpr_unknown",
        ]),
        tensors in prop::collection::vec(
            (0i32..48, prop::collection::vec(0usize..5, 0..5), prop::collection::vec(any::<u8>(), 0..64), any::<bool>()),
            1..6,
        ),
        absent in prop::option::of(0usize..8),
    ) {
        let names = [
            "data", "scale", "offset", "indices", "lut", "vector_axis", "mask", "nonzero_data", "quantized_data",
            "zero_point", "axis", "shape", "data_mask", "indices_mask", "indices_nonzero_data", "source_val",
        ];
        let constant = |name: &str| {
            let at = names.iter().position(|known| *known == name)?;
            let (number, shape, bytes, fill) = &tensors[at % tensors.len()];
            let element = ElementType::from_number(*number).unwrap_or(ElementType::Uint8);
            let wanted = element.bytes_for(shape.iter().product::<usize>() as u64)? as usize;
            let bytes = if *fill { bytes.iter().copied().cycle().take(wanted).collect() } else { bytes.clone() };
            (absent != Some(at)).then(|| Constant { element, shape: shape.clone(), bytes: bytes.into() })
        };
        let _ = evaluate(operator, &constant);
    }
}

/// A scheme with blocks, and the weight's shape.
fn schemes() -> impl Strategy<Value = (Vec<usize>, Fitted)> {
    let sparse = prop::option::of(Just(Sparsity::Share(0.5)));
    let affine = (shapes(), prop::sample::select(vec![4u8, 8]), any::<bool>(), any::<bool>(), sparse.clone());
    let affine = affine.prop_map(|((shape, blocks), bits, signed, asymmetric, sparse)| {
        let block = shape.iter().zip(&blocks).map(|(size, blocks)| size / blocks).collect();
        let mapping = if asymmetric { Mapping::Asymmetric } else { Mapping::Symmetric };
        let (arithmetic, scale, by) = (Arithmetic::Coremltools, FloatType::Fp16, ScaleSearch::MinMax);
        (shape, Fitted::Affine { block, bits, signed, mapping, arithmetic, scale, by, sparse })
    });
    let palette = (shapes(), 1u8..9, 1u32..4, any::<prop::sample::Index>(), any::<bool>(), any::<bool>(), sparse);
    let palette = palette.prop_map(|((mut shape, blocks), bits, vector, axis, int8_entries, scaled, sparse)| {
        let axis = axis.index(shape.len());
        shape[axis] *= vector as usize;
        let block = shape.iter().zip(&blocks).map(|(size, blocks)| size / blocks).collect();
        let (fit, entry) = (PaletteFit::Kmeans, FloatType::Fp16);
        (shape, Fitted::Palette { block, bits, vector, axis, int8_entries, scaled, fit, entry, sparse })
    });
    prop_oneof![affine, palette]
}

/// What of a weight each kind of stored tensor holds, made up. Masks and what they leave belong together.
fn made_up(data: &Data, shape: &[usize], mask: &Tensor, seed: u64) -> Tensor {
    let seed = seed ^ data.holds as u64;
    match data.holds {
        Holds::Mask => mask.clone(),
        _ if data.element.is_integer() => codes(data.element, seed, &data.shape),
        _ => {
            assert!(data.holds != Holds::Values || data.shape != shape);
            Tensor::new(data.element, &data.shape, floats(seed, data.shape.iter().product()))
        }
    }
}

proptest! {
    /// The operators that are written for a scheme give each element the value that the scheme says.
    #[test]
    fn chains_say_what_schemes_say((shape, fitted) in schemes(), newest: bool, seed: u64) {
        let set = if newest { Opset::CoreML9 } else { Opset::CoreML8 };
        let mask = codes(ElementType::Uint1, seed ^ 99, &shape);
        let survivors = mask.values.iter().filter(|bit| **bit == 1.0).count();
        let weight = Shaped { shape: &shape, element: ElementType::Fp16, survivors };
        let chain = encode(weight, &fitted, set).unwrap();
        let mut stored: HashMap<Holds, Tensor> = HashMap::new();
        let mut outputs: Vec<Vec<Constant>> = Vec::new();
        for step in &chain.steps {
            let mut bound: HashMap<&str, Constant> = HashMap::new();
            for (name, operand) in &step.parameters {
                let constant = match operand {
                    Operand::Data(data) => {
                        let tensor = made_up(data, &shape, &mask, seed);
                        stored.insert(data.holds, tensor.clone());
                        tensor.constant()
                    }
                    Operand::Result(step, output) => outputs[*step][*output].clone(),
                    Operand::Int(number) => Tensor::new(ElementType::Int32, &[], vec![*number as f32]).constant(),
                    Operand::Sizes(_) | Operand::Word(_) => unreachable!("of CoreML6 only"),
                };
                bound.insert(name, constant);
            }
            let found = evaluate(step.operator, &|name: &str| bound.get(name).cloned()).unwrap();
            let declared: Vec<_> = found.iter().map(|output| (output.element, output.shape.clone())).collect();
            prop_assert_eq!(&declared, &step.outputs, "{}", step.operator);
            outputs.push(found);
        }
        let found = outputs.last().unwrap().last().unwrap().to_f32().unwrap();
        let expected = values(&shape, &fitted, &stored, newest);
        prop_assert_eq!(found, expected);
    }
}

/// The values of a scheme, element by element.
fn values(shape: &[usize], fitted: &Fitted, stored: &HashMap<Holds, Tensor>, after: bool) -> Vec<f32> {
    let half = |value: f32| f16::from_f32(value).to_f32();
    let mask = stored.get(&Holds::Mask);
    let mut kept = 0;
    let all = indices(shape).into_iter().map(|index| {
        let stays = mask.is_none_or(|mask| mask.at(&index) == 1.0);
        let mut code = |place: &[usize]| match mask {
            // Pruned elements have no code; the next one's is the next.
            Some(_) => {
                kept += 1;
                stored[&Holds::Codes].values[kept - 1]
            }
            None => stored[&Holds::Codes].at(place),
        };
        if !stays {
            return 0.0;
        }
        match fitted {
            Fitted::Affine { block: extents, .. } => {
                let at: Vec<usize> = index.iter().zip(extents).map(|(i, extent)| i / extent).collect();
                let zero = stored.get(&Holds::ZeroPoints).map_or(0.0, |zeros| zeros.at(&at));
                half((code(&index) - zero) * stored[&Holds::Scales].at(&at))
            }
            Fitted::Palette { block: extents, vector, axis, .. } => {
                let vector = *vector as usize;
                let mut place = index.clone();
                place[*axis] /= vector;
                let mut at: Vec<usize> = index.iter().zip(extents).map(|(i, extent)| i / extent).collect();
                at.extend([code(&place) as usize, index[*axis] % vector]);
                let mut value = match stored.get(&Holds::Int8Tables) {
                    Some(table) => half(table.at(&at) * stored[&Holds::TableScale].values[0]),
                    None => stored[&Holds::Tables].at(&at),
                };
                if let Some(scales) = stored.get(&Holds::ChannelScales) {
                    value = half(value * scales.values[index[*axis]]);
                }
                value
            }
            _ => unreachable!("not made"),
        }
    });
    let _ = after;
    all.collect()
}
