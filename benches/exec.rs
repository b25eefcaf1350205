//! How fast programs run: a stack of convolutions as MobileNetV2 has it, one image of 224 x 224, batch norms folded.
//! `tests/upstream/exec_speed.py` measures the same in PyTorch.

use std::hint::black_box;

use bitmill::exec::{Executable, Tensor};
use bitmill::graph::{
    Argument, Attribute, Binding, Block, Content, ElementType, Function, Literal, Name, NamedType, NoBlobs, Operation,
    Program, Type,
};
use criterion::{Criterion, criterion_group, criterion_main};

/// Expansion, channels, repetitions and stride of each stage.
const STAGES: [[usize; 4]; 7] =
    [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]];

#[derive(Default)]
struct Builder {
    operations: Vec<Operation>,
    seed: u32,
}

fn ty(shape: &[usize]) -> Type {
    Type::tensor(ElementType::Fp32, shape.iter().map(|size| *size as u64))
}

fn literal(shape: &[usize], values: &[f32]) -> Literal {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Literal { ty: ty(shape), content: Content::Bytes(bytes.into()) }
}

impl Builder {
    fn random(&mut self, count: usize, scale: f32) -> Vec<f32> {
        let mut next = || {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next() * scale).collect()
    }

    fn constant(&mut self, shape: &[usize], scale: f32) -> Name {
        let values = self.random(shape.iter().product(), scale);
        let name: Name = format!("const_{}", self.operations.len()).into();
        self.operations.push(Operation {
            kind: "const".into(),
            name: name.clone(),
            inputs: Vec::new(),
            attributes: vec![Attribute { name: "val".into(), value: literal(shape, &values) }],
            outputs: vec![NamedType { name: name.clone(), ty: ty(shape) }],
            blocks: Vec::new(),
        });
        name
    }

    fn op(&mut self, kind: &str, inputs: &[(&str, Binding)], shape: &[usize]) -> Name {
        let name: Name = format!("{kind}_{}", self.operations.len()).into();
        let argument = |(parameter, binding): &(&str, Binding)| Argument {
            parameter: (*parameter).into(),
            bindings: vec![binding.clone()],
        };
        self.operations.push(Operation {
            kind: kind.into(),
            name: name.clone(),
            inputs: inputs.iter().map(argument).collect(),
            attributes: Vec::new(),
            outputs: vec![NamedType { name: name.clone(), ty: ty(shape) }],
            blocks: Vec::new(),
        });
        name
    }

    /// A convolution of a square kernel; gives its output and that output's side.
    fn conv(&mut self, x: &Name, [inputs, outputs, kernel, stride, groups]: [usize; 5], side: usize) -> (Name, usize) {
        let fan = inputs / groups * kernel * kernel;
        let weight = self.constant(&[outputs, inputs / groups, kernel, kernel], (3.0 / fan as f32).sqrt());
        let bias = self.constant(&[outputs], 0.1);
        let side = side.div_ceil(stride);
        let ints = |values: &[i32]| Binding::Literal(Literal::int32s(values));
        let inputs = [
            ("x", Binding::Value(x.clone())),
            ("weight", Binding::Value(weight)),
            ("bias", Binding::Value(bias)),
            ("strides", ints(&[stride as i32; 2])),
            ("pad", ints(&[(kernel / 2) as i32; 4])),
            ("pad_type", Binding::Literal(Literal::string("custom"))),
            ("groups", Binding::Literal(Literal::int32(groups as i32))),
        ];
        (self.op("conv", &inputs, &[1, outputs, side, side]), side)
    }

    fn relu6(&mut self, x: &Name, channels: usize, side: usize) -> Name {
        self.op("relu6", &[("x", Binding::Value(x.clone()))], &[1, channels, side, side])
    }
}

fn mobilenet() -> Program {
    let mut builder = Builder::default();
    let (mut x, mut side) = builder.conv(&"image".into(), [3, 32, 3, 2, 1], 224);
    x = builder.relu6(&x, 32, side);
    let mut channels = 32;
    for [expansion, outputs, count, stride] in STAGES {
        for i in 0..count {
            let (from, stride) = (x.clone(), if i == 0 { stride } else { 1 });
            let wide = channels * expansion;
            if expansion > 1 {
                (x, side) = builder.conv(&x, [channels, wide, 1, 1, 1], side);
                x = builder.relu6(&x, wide, side);
            }
            (x, side) = builder.conv(&x, [wide, wide, 3, stride, wide], side);
            x = builder.relu6(&x, wide, side);
            (x, side) = builder.conv(&x, [wide, outputs, 1, 1, 1], side);
            if stride == 1 && channels == outputs {
                let pair = [("x", Binding::Value(from)), ("y", Binding::Value(x))];
                x = builder.op("add", &pair, &[1, outputs, side, side]);
            }
            channels = outputs;
        }
    }
    (x, side) = builder.conv(&x, [320, 1280, 1, 1, 1], side);
    x = builder.relu6(&x, 1280, side);
    let axes = Binding::Literal(Literal::int32s(&[2, 3]));
    x = builder.op("reduce_mean", &[("x", Binding::Value(x)), ("axes", axes)], &[1, 1280]);
    let (weight, bias) = (builder.constant(&[1000, 1280], 0.03), builder.constant(&[1000], 0.1));
    let inputs = [("x", Binding::Value(x)), ("weight", Binding::Value(weight)), ("bias", Binding::Value(bias))];
    let output = builder.op("linear", &inputs, &[1, 1000]);
    let function = Function {
        name: "main".into(),
        opset: "CoreML8".into(),
        inputs: vec![NamedType { name: "image".into(), ty: ty(&[1, 3, 224, 224]) }],
        block: Block { inputs: Vec::new(), operations: builder.operations, outputs: vec![output] },
        other_opsets: Vec::new(),
    };
    Program { functions: vec![function] }
}

fn run(c: &mut Criterion) {
    let executable = Executable::new(&mobilenet(), "main", &NoBlobs).expect("a program of known operators");
    let values = Builder { seed: 1, ..Builder::default() }.random(3 * 224 * 224, 1.0);
    let image = Tensor::floats(&[1, 3, 224, 224], values).expect("an image");
    let mut group = c.benchmark_group("exec");
    group.sample_size(20);
    group.bench_function("mobilenet_v2", |b| {
        b.iter(|| executable.run([("image", black_box(image.clone()))]).expect("an output"));
    });
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
