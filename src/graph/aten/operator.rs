//! Names of operators.

use std::fmt;

use crate::graph::Name;

/// The namespace of the operators that this program adds to graphs: `observe`, a place to look at a value, and
/// `quantize`, a value made codes and values again.
pub const OWN: &str = "bitmill";

/// An operator: `aten::conv2d.default`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operator {
    /// Where it is defined: `aten`, `quantized_decomposed`, `higher_order`; for functions of Python their module,
    /// as `_operator`.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Which of those of one name; empty for what has no overloads.
    pub overload: Name,
}

impl Operator {
    /// Reads the target of a node: `torch.ops.aten.conv2d.default`, `_operator.mul`.
    pub fn read(target: &str) -> Operator {
        let of = |namespace: &str, name: &str, overload: &str| Operator {
            namespace: namespace.into(),
            name: name.into(),
            overload: overload.into(),
        };
        if let Some(rest) = target.strip_prefix("torch.ops.") {
            let mut parts = rest.splitn(3, '.');
            if let (Some(namespace), Some(name)) = (parts.next(), parts.next()) {
                return of(namespace, name, parts.next().unwrap_or(""));
            }
        }
        match target.rsplit_once('.') {
            Some((namespace, name)) => of(namespace, name, ""),
            None => of("", target, ""),
        }
    }

    /// Whether it is an operator of ATen of this name, whatever the overload.
    pub fn is_aten(&self, name: &str) -> bool {
        &*self.namespace == "aten" && &*self.name == name
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.namespace, &self.name, &self.overload];
        for (index, part) in parts.into_iter().filter(|part| !part.is_empty()).enumerate() {
            write!(f, "{}{part}", if index == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let read = |target: &str| {
            let operator = Operator::read(target);
            format!("{} {} {} {operator}", operator.namespace, operator.name, operator.overload)
        };
        assert_eq!(read("torch.ops.aten.conv2d.default"), "aten conv2d default aten.conv2d.default");
        assert_eq!(read("torch.ops.higher_order.cond"), "higher_order cond  higher_order.cond");
        assert_eq!(read("_operator.mul"), "_operator mul  _operator.mul");
        assert_eq!(read("sym"), " sym  sym");
        assert_eq!(read(""), "   ");
    }
}
