use super::resample::{Filter, Grid};
use super::sizes::{MAX_NUMBERS, few};
use super::table::{families, is_in_place, lookup, plain_name};
use crate::graph::aten::Operator;

#[test]
fn operators_are_looked_up_by_the_name_without_overloads() {
    let known = |target: &str| lookup(&Operator::read(target)).map(|entry| entry.name);
    assert_eq!(known("torch.ops.aten.conv2d.default"), Ok("conv2d"));
    assert_eq!(known("torch.ops.aten.conv2d.padding"), Ok("conv2d"));
    assert_eq!(known("torch.ops.aten.hardtanh_.default"), Ok("hardtanh"));
    assert_eq!(known("torch.ops.aten.detach_.default"), Ok("detach"));
    for unknown in ["torch.ops.aten.unique2.default", "torch.ops.mine.conv2d.default", "torch.ops.aten.add.out"] {
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

#[test]
fn copies_of_views_are_known_by_their_views() {
    let name = |target: &str| plain_name(&Operator::read(target)).to_owned();
    assert_eq!(name("torch.ops.aten.permute_copy.default"), "permute");
    assert_eq!(name("torch.ops.aten._to_copy.default"), "_to_copy");
    assert_eq!(name("torch.ops.aten.lift_fresh_copy.default"), "lift_fresh");
    assert_eq!(name("torch.ops.aten.index_copy_.default"), "index_copy");
    assert_eq!(name("torch.ops.aten.index_copy.default"), "index_copy");
}

#[test]
fn what_is_written_is_bounded() {
    assert_eq!(few(Some(0)), Ok(0));
    assert_eq!(few(Some(MAX_NUMBERS)), Ok(MAX_NUMBERS));
    assert!(few(Some(MAX_NUMBERS + 1)).is_err());
    assert!(few(Some(-1)).is_err());
    assert!(few(None).is_err());
    let grid = Grid { from: 4, to: i64::MAX, corners: false, scale: None };
    assert!(grid.nearest(false).is_err());
    assert!(grid.matrix(Filter::Linear).is_err());
}
