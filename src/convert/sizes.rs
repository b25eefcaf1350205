//! Sizes that are known only when the program runs: taken from the shapes of the inputs, and computed with.

use super::builder::{Builder, One, Param, Value};
use crate::graph::aten::{self, Expr, InputRole, ValueId};
use crate::graph::{Dim, ElementType};

/// A size.
#[derive(Debug, Clone)]
pub(super) enum Extent {
    /// This one.
    Fixed(i64),
    /// What a vector of one int32 holds.
    Live(Value),
    /// Whatever the other sizes leave, in shapes of [`Builder::reshape_to`].
    Rest,
}

/// The most numbers that are written for one operation: a file may claim any size.
pub(super) const MAX_NUMBERS: i64 = 1 << 22;

/// A number of numbers, if it is not too large.
pub(super) fn few(count: Option<i64>) -> Result<i64, String> {
    match count {
        Some(count) if (0..=MAX_NUMBERS).contains(&count) => Ok(count),
        Some(count) => Err(format!("it would be written with {count} numbers, which are too many")),
        None => Err("it would be written with too many numbers".to_owned()),
    }
}

/// How deeply expressions nest that are computed.
const MAX_DEPTH: usize = 16;

impl Builder<'_> {
    /// A dimension of the export as a size.
    pub(super) fn extent(&mut self, dim: &aten::Dim) -> Result<Extent, String> {
        match dim {
            aten::Dim::Known(size) => Ok(Extent::Fixed(i64::try_from(*size).map_err(|_| "it is too large")?)),
            aten::Dim::Symbolic { expr, .. } => Ok(Extent::Live(self.size(expr, 0)?)),
        }
    }

    /// Dimensions of the export as sizes.
    pub(super) fn extents(&mut self, dims: &[aten::Dim]) -> Result<Vec<Extent>, String> {
        dims.iter().map(|dim| self.extent(dim)).collect()
    }

    /// What an expression is when the program runs, as a vector of one int32.
    fn size(&mut self, expr: &Expr, depth: usize) -> One {
        if depth > MAX_DEPTH {
            return Err("it needs a size that is computed in too many steps".to_owned());
        }
        let key = expr.to_string();
        if let Some(known) = self.sizes.get(&key) {
            return Ok(known.clone());
        }
        let made = match (self.input_size(expr)?, expr) {
            (Some(found), _) => found,
            (None, Expr::Int(value)) => self.ints(&[*value])?,
            (None, Expr::Symbol(_)) => self.solved(expr, depth)?,
            (None, Expr::Call(function, arguments)) => self.applied(function, arguments, depth)?,
            (None, Expr::Opaque(_)) => return Err("it needs a size that is not understood".to_owned()),
        };
        self.sizes.insert(key, made.clone());
        Ok(made)
    }

    /// Every dimension of what the user gives that has no fixed size.
    fn open_dimensions(&self) -> Vec<(ValueId, usize, Expr)> {
        let given = self.program.inputs.iter().filter(|input| matches!(input.role, InputRole::User));
        let tensors = given.filter_map(|input| Some((input.value?, self.program.graph.tensor(input.value?)?)));
        let open = tensors.flat_map(|(id, ty)| ty.shape.iter().enumerate().map(move |(axis, dim)| (id, axis, dim)));
        open.filter_map(|(id, axis, dim)| match dim {
            aten::Dim::Symbolic { expr, .. } => Some((id, axis, expr.clone())),
            aten::Dim::Known(_) => None,
        })
        .collect()
    }

    /// The dimension of an input that is an expression.
    fn input_size(&mut self, expr: &Expr) -> Result<Option<Value>, String> {
        let found = self.open_dimensions().into_iter().find(|(_, _, own)| own == expr);
        let Some((id, axis, _)) = found else { return Ok(None) };
        let input = self.original(id)?;
        let shape = self.op("shape", vec![("x", Param::Value(&input))])?;
        let axis = axis as i64;
        let parameters =
            vec![("x", Param::Value(&shape)), ("begin", Param::Ints(vec![axis])), ("end", Param::Ints(vec![axis + 1]))];
        Ok(Some(self.op("slice_by_index", parameters)?))
    }

    /// A symbol that inputs have only in sums or products with a number.
    fn solved(&mut self, symbol: &Expr, depth: usize) -> One {
        for (_, _, expr) in self.open_dimensions() {
            let Expr::Call(function, arguments) = &expr else { continue };
            let number = match &arguments[..] {
                [Expr::Int(number), one] | [one, Expr::Int(number)] if one == symbol => *number,
                _ => continue,
            };
            let kind = match &**function {
                "Add" => "sub",
                "Mul" if number > 0 => "floor_div",
                _ => continue,
            };
            let (all, number) = (self.size(&expr, depth + 1)?, self.ints(&[number])?);
            return self.op(kind, vec![("x", Param::Value(&all)), ("y", Param::Value(&number))]);
        }
        Err(format!("it needs the size {symbol}, which no input has"))
    }

    /// A function of sizes.
    fn applied(&mut self, function: &str, arguments: &[Expr], depth: usize) -> One {
        let kind = match function {
            "Add" => "add",
            "Mul" => "mul",
            "Max" => "maximum",
            "Min" => "minimum",
            "FloorDiv" | "CleanDiv" if arguments.len() == 2 => "floor_div",
            "Mod" | "PythonMod" if arguments.len() == 2 => "mod",
            other => return Err(format!("it needs a size that is computed by `{other}`, which is not converted")),
        };
        let mut values = arguments.iter();
        let first = values.next().ok_or("it needs a size of nothing")?;
        let mut sum = self.size(first, depth + 1)?;
        for next in values {
            let next = self.size(next, depth + 1)?;
            sum = self.op(kind, vec![("x", Param::Value(&sum)), ("y", Param::Value(&next))])?;
        }
        Ok(sum)
    }

    /// A vector of integers.
    pub(super) fn ints(&mut self, values: &[i64]) -> One {
        let narrow = |value: &i64| i32::try_from(*value).map(i32::to_le_bytes);
        let bytes: Result<Vec<[u8; 4]>, _> = values.iter().map(narrow).collect();
        let bytes = bytes.map_err(|_| "it needs a number that does not fit 32 bits")?.concat();
        let count = i64::try_from(values.len()).map_err(|_| "it needs too many numbers")?;
        Ok(self.literal("value", ElementType::Int32, &[count], bytes))
    }

    /// Sizes as a vector of int32.
    pub(super) fn vector(&mut self, extents: &[Extent]) -> One {
        let mut parts = Vec::with_capacity(extents.len());
        for extent in extents {
            parts.push(match extent {
                Extent::Fixed(size) => self.ints(&[*size])?,
                Extent::Live(value) => value.clone(),
                Extent::Rest => self.ints(&[-1])?,
            });
        }
        if let [only] = &parts[..] {
            return Ok(only.clone());
        }
        let parameters =
            vec![("values", Param::Values(&parts)), ("axis", Param::Int(0)), ("interleave", Param::Bool(false))];
        self.op("concat", parameters)
    }

    /// The size of a dimension when the program runs, as a scalar int32.
    pub(super) fn length(&mut self, x: &Value, axis: usize) -> One {
        let shape = self.op("shape", vec![("x", Param::Value(x))])?;
        let axis = axis as i64;
        let length = super::slices::part(self, &shape, 0, (axis, Some(axis + 1), 1))?;
        self.narrow(&length, vec![0])
    }

    /// A scalar int32 of a size.
    pub(super) fn size_scalar(&mut self, extent: &Extent) -> One {
        match extent {
            Extent::Fixed(size) => self.scalar(*size as f64, ElementType::Int32),
            Extent::Live(value) => self.op("squeeze", vec![("x", Param::Value(value)), ("axes", Param::Ints(vec![0]))]),
            Extent::Rest => Err("it needs a size that nothing tells".to_owned()),
        }
    }

    /// A value in a shape. One size that is not fixed is what the others leave.
    pub(super) fn reshape_to(&mut self, x: &Value, mut extents: Vec<Extent>) -> One {
        if extents.is_empty() {
            // Core ML has no shape without sizes.
            let axes = Param::Ints((0..x.rank() as i64).collect());
            return if x.rank() == 0 {
                Ok(x.clone())
            } else {
                self.op("squeeze", vec![("x", Param::Value(x)), ("axes", axes)])
            };
        }
        let open = extents.iter().filter(|extent| !matches!(extent, Extent::Fixed(_))).count();
        let fixed: Vec<Dim> = extents
            .iter()
            .map(|extent| match extent {
                Extent::Fixed(size) => Dim::from(u64::try_from(*size).ok()),
                _ => Dim::Unknown,
            })
            .collect();
        if open > 1 {
            let shape = self.vector(&extents)?;
            let made = self.op("reshape", vec![("x", Param::Value(x)), ("shape", Param::Value(&shape))])?;
            return Ok(self.refined(made, fixed));
        }
        extents.iter_mut().filter(|extent| matches!(extent, Extent::Live(_))).for_each(|extent| *extent = Extent::Rest);
        let sizes = extents.iter().map(|extent| if let Extent::Fixed(size) = extent { *size } else { -1 }).collect();
        self.reshape(x, sizes)
    }

    /// A value in the shape that the export declares.
    pub(super) fn reshape_as(&mut self, x: &Value, dims: &[aten::Dim]) -> One {
        let open = dims.iter().filter(|dim| dim.known().is_none()).count();
        let mut extents = Vec::with_capacity(dims.len());
        for dim in dims {
            extents.push(match dim {
                aten::Dim::Symbolic { .. } if open == 1 => Extent::Rest,
                dim => self.extent(dim)?,
            });
        }
        self.reshape_to(x, extents)
    }
}
