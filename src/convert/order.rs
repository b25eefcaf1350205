//! Elements in order.

use super::args::Args;
use super::builder::{Builder, Param, Value, Values};
use super::indexing::counted_below;
use super::table::{Entry, entry};

pub(super) static OPERATORS: &[Entry] = &[
    entry("sort", &["self", "dim", "descending", "stable"], sort),
    entry("argsort", &["self", "dim", "descending", "stable"], argsort),
    entry("bucketize", &["self", "boundaries", "out_int32", "right"], |b, args| {
        let (x, bounds) = (b.tensor(args, "self")?, b.tensor(args, "boundaries")?);
        Ok(vec![counted_below(b, &x, &bounds, args.bool("right", false)?)?])
    }),
    entry("searchsorted", &["sorted_sequence", "self", "out_int32", "right", "side"], |b, args| {
        let (x, bounds) = (b.tensor(args, "self")?, b.tensor(args, "sorted_sequence")?);
        if bounds.rank() != 1 {
            return Err("its bounds are no vector, which is not converted".to_owned());
        }
        let is_right = args.bool("right", false)? || args.text("side") == Some("right");
        Ok(vec![counted_below(b, &x, &bounds, is_right)?])
    }),
];

fn taken(b: &mut Builder<'_>, args: &Args<'_>) -> Result<(Value, i64, bool), String> {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dim", -1)?)?;
    if x.rank() == 0 {
        return Err("it sorts a scalar, which is not converted".to_owned());
    }
    Ok((x, axis as i64, args.bool("descending", false)?))
}

fn sort(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, axis, descending) = taken(b, args)?;
    let size = x.size(usize::try_from(axis).unwrap_or(0));
    let size = size.ok_or("it sorts along a size that is known only when the program runs")?;
    let parameters = vec![
        ("x", Param::Value(&x)),
        ("k", Param::Int(size)),
        ("axis", Param::Int(axis)),
        ("ascending", Param::Bool(!descending)),
    ];
    b.emit("topk", parameters)
}

fn argsort(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, axis, descending) = taken(b, args)?;
    let parameters = vec![("x", Param::Value(&x)), ("axis", Param::Int(axis)), ("ascending", Param::Bool(!descending))];
    Ok(vec![b.op("argsort", parameters)?])
}
