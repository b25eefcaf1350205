use super::table::{families, is_in_place, lookup};
use crate::graph::aten::Operator;

#[test]
fn operators_are_looked_up_by_the_name_without_overloads() {
    let known = |target: &str| lookup(&Operator::read(target)).map(|entry| entry.name);
    assert_eq!(known("torch.ops.aten.conv2d.default"), Ok("conv2d"));
    assert_eq!(known("torch.ops.aten.conv2d.padding"), Ok("conv2d"));
    assert_eq!(known("torch.ops.aten.hardtanh_.default"), Ok("hardtanh"));
    assert_eq!(known("torch.ops.aten.detach_.default"), Ok("detach"));
    for unknown in ["torch.ops.aten.sort.default", "torch.ops.mine.conv2d.default", "torch.ops.aten.add.out"] {
        assert!(known(unknown).is_err(), "{unknown}");
    }
    assert!(is_in_place(&Operator::read("torch.ops.aten.add_.Tensor")));
    assert!(!is_in_place(&Operator::read("torch.ops.aten.__and__.Tensor")));
}

#[test]
fn no_operator_stands_in_two_families() {
    let mut all: Vec<&str> = families().into_iter().flatten().map(|entry| entry.name).collect();
    all.sort_unstable();
    let count = all.len();
    all.dedup();
    assert_eq!(all.len(), count);
    assert!(count > 150, "{count}");
}
