use super::*;

/// A program of `nodes` over a parameter `p_w`, a buffer `b_s` and an input `x`, which returns `y`.
fn program(nodes: &str, more: &[(&str, &str)]) -> Result<Program, String> {
    let meta = r#"{"dtype": 7, "sizes": [{"as_int": 2}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0}, "layout": 7}"#;
    let names = ["p_w", "b_s", "x", "y", "z"];
    let values: Vec<String> = names.iter().map(|name| format!(r#""{name}": {meta}"#)).collect();
    let mut text = format!(
        r#"{{"graph_module": {{"graph": {{
            "inputs": [{{"as_tensor": {{"name": "p_w"}}}}, {{"as_tensor": {{"name": "b_s"}}}}, {{"as_tensor": {{"name": "x"}}}}],
            "outputs": [{{"as_tensor": {{"name": "y"}}}}],
            "nodes": [{nodes}], "tensor_values": {{{}}}, "sym_int_values": {{}}, "sym_bool_values": {{}}}},
          "signature": {{"input_specs": [
            {{"parameter": {{"arg": {{"name": "p_w"}}, "parameter_name": "fc.w"}}}},
            {{"buffer": {{"arg": {{"name": "b_s"}}, "buffer_name": "s", "persistent": false}}}},
            {{"user_input": {{"arg": {{"as_tensor": {{"name": "x"}}}}}}}}],
            "output_specs": [{{"user_output": {{"arg": {{"as_tensor": {{"name": "y"}}}}}}}}]}}}},
          "range_constraints": {{"s0": {{"min_val": 2, "max_val": null}}}}, "schema_version": {{"major": 8, "minor": 20}}}}"#,
        values.join(", ")
    );
    for (from, to) in more {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let message: schema::ExportedProgram = serde_json::from_str(&text).expect("it is a program");
    import("model", &message).map_err(|error| error.to_string())
}

fn node(name: &str, takes: &[&str]) -> String {
    let inputs =
        takes.iter().map(|taken| format!(r#"{{"name": "self", "arg": {{"as_tensor": {{"name": "{taken}"}}}}}}"#));
    let inputs: Vec<String> = inputs.collect();
    format!(
        r#"{{"target": "torch.ops.aten.relu.default", "inputs": [{}], "outputs": [{{"as_tensor": {{"name": "{name}"}}}}],
            "metadata": {{"nn_module_stack": "L__self__,,m.Net;L__self__fc,fc,m.Layer",
                          "stack_trace": "  File \"/a/net.py\", line 3, in forward\n    return relu(x)"}}}}"#,
        inputs.join(", ")
    )
}

#[track_caller]
fn refused(nodes: &str, more: &[(&str, &str)]) -> String {
    program(nodes, more).map(|_| ()).expect_err("it is refused")
}

#[test]
fn programs_are_imported() {
    let nodes = format!("{}, {}", node("z", &["x", "p_w"]), node("y", &["z"]));
    let program = program(&nodes, &[]).expect("it is a program");
    let [z, y] = program.graph.nodes.as_slice() else { panic!("two operations") };
    assert_eq!(
        (z.arguments[1].1.clone(), y.arguments[0].1.clone()),
        (Argument::Value(ValueId(0)), Argument::Value(ValueId(3)))
    );
    assert_eq!(program.graph.producer(ValueId(3)), Some(z));
    assert_eq!(program.inputs[0].role, InputRole::Parameter("fc.w".into()));
    assert_eq!(program.inputs[1].role, InputRole::Buffer { name: "s".into(), persistent: false });
    assert_eq!(program.outputs, [Output { value: Some(ValueId(4)), role: OutputRole::User }]);
    assert_eq!(program.graph.tensor(ValueId(0)).map(ToString::to_string).as_deref(), Some("fp32[2]"));
    let module = &program.modules[y.module().expect("it ran in one").0 as usize];
    assert_eq!((&*module.path, &*module.class), ("fc", "m.Layer"));
    assert_eq!(y.source.as_ref().map(|source| (&*source.file, source.line)), Some(("net.py", 3)));
    assert_eq!(program.ranges[0].1.to_string(), "2..");
}

#[test]
fn values_are_defined_once_and_before_they_are_used() {
    // A cycle, a value of itself, one that nobody defines: all are values that are not there yet.
    let cycle = format!("{}, {}", node("z", &["y"]), node("y", &["z"]));
    let what = "operation `z` (aten.relu.default): takes the value `y`, which nothing before it defines";
    assert_eq!(refused(&cycle, &[]), what);
    let own = "operation `y` (aten.relu.default): takes the value `y`, which nothing before it defines";
    assert_eq!(refused(&node("y", &["y"]), &[]), own);
    let twice = format!("{}, {}", node("y", &["x"]), node("y", &["x"]));
    assert_eq!(refused(&twice, &[]), "operation `y` (aten.relu.default): the value `y` is defined twice");
    assert_eq!(refused(&node("x", &["p_w"]), &[]), "operation `x` (aten.relu.default): the value `x` is defined twice");
    assert_eq!(refused("", &[]), "outputs: takes the value `y`, which nothing before it defines");
    let untyped = refused(&node("other", &["x"]), &[]);
    assert_eq!(untyped, "operation `other` (aten.relu.default): the tensor `other` has no description");
}

#[test]
fn signatures_fit_their_graphs() {
    let y = node("y", &["x"]);
    let swapped =
        refused(&y, &[(r#"{"parameter": {"arg": {"name": "p_w"}"#, r#"{"parameter": {"arg": {"name": "b_s"}"#)]);
    assert_eq!(swapped, "input 1: the signature speaks of `b_s` there");
    let short = refused(&y, &[(r#"{"as_tensor": {"name": "p_w"}}, "#, "")]);
    assert_eq!(short, "the graph has 2 inputs, and its signature 3");
    let output = refused(
        &y,
        &[(
            r#"{"user_output": {"arg": {"as_tensor": {"name": "y"}}}}"#,
            r#"{"user_output": {"arg": {"as_tensor": {"name": "x"}}}}"#,
        )],
    );
    assert_eq!(output, "output 1: the signature speaks of `x` there");
    let twice = refused(&y, &[(r#""buffer_name": "s""#, r#""buffer_name": "fc.w""#)]);
    assert_eq!(twice, "two inputs are the tensor `fc.w`");
}

#[test]
fn descriptions_make_sense() {
    let y = node("y", &["x"]);
    let of = |from: &str, to: &str| refused(&y, &[(from, to)]);
    assert_eq!(of(r#""dtype": 7"#, r#""dtype": 77"#), "input 1: the tensor `p_w` has the unknown element type 77");
    assert_eq!(of(r#"[{"as_int": 2}]"#, r#"[{"as_int": -2}]"#), "input 1: the tensor `p_w` has a negative size");
    assert_eq!(of(r#"[{"as_int": 2}]"#, "[]"), "input 1: the tensor `p_w` has 0 dimensions and 1 strides");
    assert_eq!(
        of(r#"{"as_int": 2}"#, r#"{"as_new": 2}"#),
        "input 1: the tensor `p_w` has a size of the unknown form `as_new`"
    );
    let symbolic =
        program(&y, &[(r#"{"as_int": 2}"#, r#"{"as_expr": {"expr_str": "Symbol('s0')", "hint": {"as_int": 3}}}"#)]);
    let symbolic = symbolic.expect("it is a program");
    assert_eq!(symbolic.graph.tensor(ValueId(0)).map(ToString::to_string).as_deref(), Some("fp32[s0]"));
}
