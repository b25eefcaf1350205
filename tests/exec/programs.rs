//! What a run promises besides values: errors, states, branches and loops, observers, memory, cancelling.

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;

use bitmill::exec::{ExecError, Executable, Fault, Observed, Observer, Session, States, Tensor};
use bitmill::graph::{Binding, ElementType, Literal, NoBlobs, Operation, Program, TensorType, Type};

use crate::support::{batch, block, constant, fp32, literal, named, op, program, value};

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::floats(shape, values.to_vec()).unwrap()
}

fn scalar(value: f32) -> Vec<Binding> {
    vec![Binding::Literal(literal(&floats(&[], &[value])))]
}

fn two(kind: &str, x: &str, y: Vec<Binding>, output: &str, ty: Type) -> Operation {
    op(kind, &[("x", vec![value(x)]), ("y", y)], &[named(output, ty)])
}

fn made(program: &Program) -> Executable {
    Executable::new(program, "main", &NoBlobs).unwrap()
}

fn said(result: Result<impl std::fmt::Debug, ExecError>) -> String {
    result.unwrap_err().to_string()
}

/// y = 2x + w, z = relu(y), of any batch.
fn small() -> Program {
    let w = constant("w", literal(&floats(&[2], &[1.0, -10.0])));
    let operations = vec![
        w,
        two("mul", "x", scalar(2.0), "twice", batch(&[2])),
        two("add", "twice", vec![value("w")], "y", batch(&[2])),
        op("relu", &[("x", vec![value("y")])], &[named("z", batch(&[2]))]),
    ];
    program("CoreML8", vec![named("x", batch(&[2]))], operations, &["z", "y"])
}

#[test]
fn any_batch_runs() {
    let made = made(&small());
    for rows in [1, 3] {
        let x = floats(&[rows, 2], &vec![1.5; 2 * rows]);
        let outputs = made.run([("x", x)]).unwrap();
        assert_eq!(&*outputs[0].0, "z");
        assert_eq!(outputs[0].1.as_floats().unwrap()[..2], [4.0, 0.0]);
        assert_eq!(outputs[1].1.as_floats().unwrap()[..2], [4.0, -7.0]);
        assert_eq!(outputs[1].1.shape(), [rows, 2]);
    }
}

#[test]
fn what_is_wrong_with_inputs_is_told() {
    let made = made(&small());
    let x = || floats(&[1, 2], &[0.0; 2]);
    let errors = [
        said(made.run([("y", x()), ("x", x())])),
        said(made.run([])),
        said(made.run([("x", floats(&[1, 3], &[0.0; 3]))])),
        said(made.run([("x", Tensor::ints(&[1, 2], vec![0; 2]).unwrap())])),
        said(Executable::new(&small(), "other", &NoBlobs)),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    the program has no input `y`; it has `x`
    the input `x` (fp32[?, 2]) is not given
    the input `x` must be fp32[?, 2], not fp32[1, 3]
    the input `x` must be fp32[?, 2], not int32[1, 2]
    the program has no function `other`
    ");
}

#[test]
fn all_unknown_operators_are_told_at_once() {
    let odd = |kind: &str, name: &str| op(kind, &[("x", vec![value("x")])], &[named(name, fp32(&[2]))]);
    let operations = vec![odd("custom_a", "a"), odd("relu", "b"), odd("custom_b", "c"), odd("custom_a", "d")];
    let program = program("CoreML8", vec![named("x", fp32(&[2]))], operations, &["a"]);
    insta::assert_snapshot!(said(Executable::new(&program, "main", &NoBlobs)),
        @"operators that bitmill cannot run: custom_a in `a`, `d`; custom_b in `c`");
}

#[test]
fn an_operation_that_cannot_be_computed_is_told_with_its_inputs() {
    let run = |operation: Operation, x: Tensor| {
        let output = operation.outputs[0].name.to_string();
        let ty = TensorType::unranked(x.element());
        let program = program("CoreML8", vec![named("x", ty)], vec![operation], &[&output]);
        said(Executable::new(&program, "main", &NoBlobs).and_then(|made| made.run([("x", x)])))
    };
    let open = || Type::Tensor(TensorType::unranked(ElementType::Fp32));
    let int = |values: &[i32]| vec![Binding::Literal(Literal::int32s(values))];
    let indices = op("gather", &[("x", vec![value("x")]), ("indices", int(&[0, 5]))], &[named("picked", open())]);
    let shapes = two("add", "x", vec![Binding::Literal(literal(&floats(&[3], &[0.0; 3])))], "sum", open());
    let perm = op("transpose", &[("x", vec![value("x")]), ("perm", int(&[0, 0]))], &[named("turned", open())]);
    let times = vec![Binding::Literal(Literal::int32s(&[2_000_000_000, 2]))];
    let giant = op("tile", &[("x", vec![value("x")]), ("reps", times)], &[named("tiled", open())]);
    let x = || floats(&[2, 2], &[0.0; 4]);
    let errors = [run(indices, x()), run(shapes, x()), run(perm, x()), run(giant, x())];
    insta::assert_snapshot!(errors.join("\n"), @r"
    gather `picked` (x fp32[2, 2], indices int32[2]): `indices` holds 5, outside a dimension of 2
    add `sum` (x fp32[2, 2], y fp32[3]): the shapes [2, 2] and [3] do not go together
    transpose `turned` (x fp32[2, 2], perm int32[2]): `perm` names axis 0 twice
    tile `tiled` (x fp32[2, 2], reps int32[2]): needs 64000000016 bytes for fp32[4000000000, 4]; at most 8589934592 are allowed
    ");
}

#[test]
fn giants_are_refused_before_anything_is_allocated() {
    let open = |element| Type::Tensor(TensorType::unranked(element));
    let end = vec![value("end")];
    let one = |value: i32| vec![Binding::Literal(Literal::int32(value))];
    let bound = [("end", end), ("start", one(0)), ("step", one(1))];
    let range = op("range_1d", &bound, &[named("r", open(ElementType::Int32))]);
    let ranges = program("CoreML8", vec![named("end", Type::scalar(ElementType::Int32))], vec![range], &["r"]);
    let made = made(&ranges).with_memory(1 << 20);
    let end = |value: i32| Tensor::ints(&[], vec![value]).unwrap();
    assert_eq!(made.run([("end", end(1000))]).unwrap()[0].1.len(), 1000);
    insta::assert_snapshot!(said(made.run([("end", end(i32::MAX))])),
        @"range_1d `r` (end int32[], start int32[], step int32[]): needs 8589934592 bytes for int32[2147483647]; at most 1048576 are allowed");
    let shape = vec![value("shape")];
    let fill = op("fill", &[("shape", shape)], &[named("f", open(ElementType::Fp32))]);
    let inputs = vec![named("shape", Type::tensor(ElementType::Int32, [3u64]))];
    let fills = Executable::new(&program("CoreML8", inputs, vec![fill], &["f"]), "main", &NoBlobs).unwrap();
    let shape = Tensor::ints(&[3], vec![i32::MAX; 3]).unwrap();
    let error = fills.run([("shape", shape)]).unwrap_err();
    assert!(matches!(error, ExecError::Operation { fault: Fault::Memory { .. }, .. }), "{error}");
    let shape = Tensor::ints(&[3], vec![-1, 2, 2]).unwrap();
    assert!(fills.run([("shape", shape)]).is_err());
}

/// Doubles what one name holds, and writes down all names.
struct Doubling {
    name: &'static str,
    seen: Vec<String>,
}

impl Observer for Doubling {
    fn observe(&mut self, observed: Observed<'_>) -> Result<Option<Tensor>, String> {
        self.seen.push(format!("{} {} {}", observed.kind, observed.name, observed.value));
        if &**observed.name != self.name {
            return Ok(None);
        }
        let doubled: Vec<f32> = observed.value.to_floats().into_iter().map(|value| 2.0 * value).collect();
        Ok(Some(floats(observed.value.shape(), &doubled)))
    }
}

#[test]
fn an_observer_sees_and_replaces_values() {
    let made = made(&small());
    let mut observer = Doubling { name: "y", seen: Vec::new() };
    let mut session = Session { observer: Some(&mut observer), ..Session::default() };
    let outputs = made.run_with([("x", floats(&[1, 2], &[1.0, 1.0]))], &mut session).unwrap();
    assert_eq!(outputs[0].1.as_floats().unwrap(), [6.0, 0.0]);
    assert_eq!(outputs[1].1.as_floats().unwrap(), [6.0, -16.0]);
    insta::assert_snapshot!(observer.seen.join("\n"), @r"
    input x fp32[1, 2]
    mul twice fp32[1, 2]
    add y fp32[1, 2]
    relu z fp32[1, 2]
    ");
    struct Wrong;
    impl Observer for Wrong {
        fn observe(&mut self, observed: Observed<'_>) -> Result<Option<Tensor>, String> {
            match observed.kind {
                "mul" => Ok(Some(floats(&[1], &[0.0]))),
                _ => Ok(None),
            }
        }
    }
    let mut session = Session { observer: Some(&mut Wrong), ..Session::default() };
    let replaced = said(made.run_with([("x", floats(&[1, 2], &[1.0; 2]))], &mut session));
    insta::assert_snapshot!(replaced, @"mul `twice` (x fp32[1, 2], y fp32[]): `twice` was replaced by fp32[1], but is fp32[1, 2]");
}

#[test]
fn constants_can_be_others() {
    let first = made(&small());
    let x = || floats(&[1, 2], &[1.0, 1.0]);
    assert_eq!(first.run([("x", x())]).unwrap()[1].1.as_floats().unwrap(), [3.0, -8.0]);
    let other = first.with_constants([("w".to_owned(), floats(&[2], &[0.0, 0.5]))]).unwrap();
    assert_eq!(other.run([("x", x())]).unwrap()[1].1.as_floats().unwrap(), [2.0, 2.5]);
    assert_eq!(first.run([("x", x())]).unwrap()[1].1.as_floats().unwrap(), [3.0, -8.0]);
    assert_eq!(other.constant("w").unwrap().unwrap().as_floats().unwrap(), [0.0, 0.5]);
    assert!(first.with_constants([("w".to_owned(), floats(&[3], &[0.0; 3]))]).is_err());
    assert!(first.with_constants([("x".to_owned(), floats(&[2], &[0.0; 2]))]).is_err());
}

#[test]
fn cancelled_runs_end_and_progress_is_told() {
    let made = made(&small());
    let x = || floats(&[1, 2], &[1.0, 1.0]);
    let steps = RefCell::new(Vec::new());
    let progress = |done, total| steps.borrow_mut().push((done, total));
    let cancel = AtomicBool::new(false);
    let mut session = Session { cancel: Some(&cancel), progress: Some(&progress), ..Session::default() };
    made.run_with([("x", x())], &mut session).unwrap();
    assert_eq!(*steps.borrow(), [(0, 3), (1, 3), (2, 3), (3, 3)]);
    cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(made.run_with([("x", x())], &mut session).unwrap_err(), ExecError::Cancelled);
}

#[test]
fn states_live_between_runs() {
    let state = || Type::State(Box::new(fp32(&[2])));
    let operations = vec![
        op("read_state", &[("input", vec![value("total")])], &[named("before", fp32(&[2]))]),
        two("add", "before", vec![value("x")], "after", fp32(&[2])),
        op("write_state", &[("input", vec![value("total")]), ("data", vec![value("after")])], &[]),
        op("read_state", &[("input", vec![value("total")])], &[named("out", fp32(&[2]))]),
    ];
    let inputs = vec![named("x", fp32(&[2])), named("total", state())];
    let made = made(&program("CoreML8", inputs, operations, &["out"]));
    let x = || floats(&[2], &[1.0, 2.0]);
    assert_eq!(made.inputs().count(), 1);
    let mut states = States::default();
    for round in 1..4 {
        let mut session = Session { states: Some(&mut states), ..Session::default() };
        let outputs = made.run_with([("x", x())], &mut session).unwrap();
        assert_eq!(outputs[0].1.as_floats().unwrap(), [round as f32, 2.0 * round as f32]);
    }
    assert_eq!(made.run([("x", x())]).unwrap()[0].1.as_floats().unwrap(), [1.0, 2.0]);
}

#[test]
fn branches_and_loops() {
    let truth = Type::scalar(ElementType::Bool);
    let branch =
        |kind: &str, name: &str| block(Vec::new(), vec![two(kind, "x", scalar(10.0), name, fp32(&[2]))], &[name]);
    let condition = Operation {
        blocks: vec![branch("add", "more"), branch("sub", "less")],
        ..op("cond", &[("pred", vec![value("p")])], &[named("chosen", fp32(&[2]))])
    };
    let inputs = vec![named("x", fp32(&[2])), named("p", truth.clone())];
    let made_branch = made(&program("CoreML8", inputs, vec![condition], &["chosen"]));
    for (pred, expected) in [(true, [11.0, 12.0]), (false, [-9.0, -8.0])] {
        let p = Tensor::new(ElementType::Bool, vec![], vec![pred]).unwrap();
        let outputs = made_branch.run([("x", floats(&[2], &[1.0, 2.0])), ("p", p)]).unwrap();
        assert_eq!(outputs[0].1.as_floats().unwrap(), expected);
    }
    // Doubles until it is over 100.
    let one = || Type::scalar(ElementType::Fp32);
    let goes_on = block(vec![named("a", one())], vec![two("less", "a", scalar(100.0), "go", truth)], &["go"]);
    let body = block(vec![named("b", one())], vec![two("mul", "b", scalar(2.0), "next", one())], &["next"]);
    let repeat = Operation {
        blocks: vec![goes_on, body],
        ..op("while_loop", &[("loop_vars", vec![value("x")])], &[named("end", one())])
    };
    let made_loop = made(&program("CoreML8", vec![named("x", one())], vec![repeat], &["end"]));
    assert_eq!(made_loop.run([("x", floats(&[], &[3.0]))]).unwrap()[0].1.as_floats().unwrap(), [192.0]);
    assert_eq!(made_loop.run([("x", floats(&[], &[300.0]))]).unwrap()[0].1.as_floats().unwrap(), [300.0]);
}

#[test]
fn runs_may_go_on_side_by_side() {
    let made = made(&small());
    std::thread::scope(|scope| {
        for i in 0..4 {
            let made = &made;
            scope.spawn(move || {
                let outputs = made.run([("x", floats(&[1, 2], &[i as f32, 20.0]))]).unwrap();
                assert_eq!(outputs[0].1.as_floats().unwrap(), [2.0 * i as f32 + 1.0, 30.0]);
            });
        }
    });
}
