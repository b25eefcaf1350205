//! Natural order of names: `layers.2` before `layers.10`.

use std::cmp::Ordering;

use rayon::prelude::*;

/// Compares two names byte by byte, except that runs of digits compare as numbers of any length.
///
/// A total order: two names are equal only if they are the same bytes (`a.01` and `a.1` are neighbours, but not
/// equal).
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let differ = common(a, b);
    if differ == a.len().min(b.len()) {
        return a.len().cmp(&b.len());
    }
    // Where the bytes begin to differ, both may be within a number that began before.
    let start = a[..differ].iter().rposition(|b| !b.is_ascii_digit()).map_or(0, |i| i + 1);
    let (x, y) = (digits(&a[start..]), digits(&b[start..]));
    if x.is_empty() || y.is_empty() {
        return a[differ].cmp(&b[differ]);
    }
    number_order(x, y).then_with(|| natural_tail(&a[start + x.len()..], &b[start + y.len()..])).then_with(|| a.cmp(b))
}

/// How many bytes two texts begin with alike. Names of a model do so for long, and sorting asks millions of times, so
/// eight are compared at once.
fn common(a: &[u8], b: &[u8]) -> usize {
    let (mut x, mut y) = (a, b);
    while let (Some((p, rest_x)), Some((q, rest_y))) = (x.split_first_chunk::<8>(), y.split_first_chunk::<8>()) {
        let differ = u64::from_le_bytes(*p) ^ u64::from_le_bytes(*q);
        if differ != 0 {
            return a.len() - x.len() + differ.trailing_zeros() as usize / 8;
        }
        (x, y) = (rest_x, rest_y);
    }
    a.len() - x.len() + x.iter().zip(y).take_while(|(x, y)| x == y).count()
}

/// The digits at the start of a text.
fn digits(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

/// Compares runs of digits as numbers; leading zeros do not count.
fn number_order(x: &[u8], y: &[u8]) -> Ordering {
    let significant = |run: &[u8]| run.iter().position(|&b| b != b'0').unwrap_or(run.len());
    let (x, y) = (&x[significant(x)..], &y[significant(y)..]);
    x.len().cmp(&y.len()).then_with(|| x.cmp(y))
}

/// Compares what follows two numbers of equal value, which is where only their leading zeros differed.
fn natural_tail(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (x, y) = (digits(a), digits(b));
        let order = match (x.is_empty(), y.is_empty()) {
            (false, false) => {
                let order = number_order(x, y);
                (a, b) = (&a[x.len()..], &b[y.len()..]);
                order
            }
            _ => match (a.split_first(), b.split_first()) {
                (Some((p, rest_a)), Some((q, rest_b))) => {
                    (a, b) = (rest_a, rest_b);
                    p.cmp(q)
                }
                (left, right) => return left.is_some().cmp(&right.is_some()),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The order of some things by their names, as [`natural_order`] has it: indices, the first name's first.
pub fn natural_sort<T: Sync>(things: &[T], name: impl Fn(&T) -> &str + Sync) -> Vec<u32> {
    let mut keyed: Vec<([u64; 3], u32)> =
        (0..things.len() as u32).into_par_iter().map(|at| (sort_key(name(&things[at as usize])), at)).collect();
    let of = |at: u32| name(&things[at as usize]);
    keyed.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| natural_order(of(a.1), of(b.1))));
    keyed.into_iter().map(|(_, at)| at).collect()
}

/// The beginning of a name as numbers that compare as names do, but where they are equal: bytes, with the count of its
/// digits before each number. It spares a sort most looks at the names themselves, which lie far apart in memory.
fn sort_key(name: &str) -> [u64; 3] {
    let mut key = [0; 24];
    let (mut filled, mut rest) = (0, name.as_bytes());
    let mut push = |byte: u8| match key.get_mut(filled) {
        Some(place) => {
            *place = byte;
            filled += 1;
            true
        }
        None => false,
    };
    while let Some((&first, behind)) = rest.split_first() {
        let run = digits(rest);
        if run.is_empty() {
            if !push(first) {
                break;
            }
            rest = behind;
            continue;
        }
        let significant = &run[run.iter().position(|&digit| digit != b'0').unwrap_or(run.len())..];
        let count = u8::try_from(significant.len()).unwrap_or(u8::MAX);
        // Longer numbers than any that a byte counts are told apart by their names.
        if !push(b'0') || !push(count) || count == u8::MAX || !significant.iter().all(|&digit| push(digit)) {
            break;
        }
        rest = &rest[run.len()..];
    }
    let word = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| key[8 * at + i]));
    std::array::from_fn(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_compare_as_numbers() {
        let mut names = vec![
            "layers.10.a",
            "layers.2.b",
            "layers.2.a",
            "layers",
            "layers.02.a",
            "layers.x",
            "layers1.9",
            "layers.99999999999999999999999",
            "layers.100000000000000000000000",
        ];
        names.sort_by(|a, b| natural_order(a, b));
        insta::assert_compact_debug_snapshot!(names, @r#"["layers", "layers.02.a", "layers.2.a", "layers.2.b", "layers.10.a", "layers.99999999999999999999999", "layers.100000000000000000000000", "layers.x", "layers1.9"]"#);
    }

    proptest! {
        /// Sorting needs a total order: antisymmetric, transitive, equal only for equal names.
        #[test]
        fn is_a_total_order(mut names in prop::collection::vec("(layers\\.[01]\\.)?[0-2a.]{0,6}", 3)) {
            let [a, b, c] = [&names[0], &names[1], &names[2]];
            prop_assert_eq!(natural_order(a, b), natural_order(b, a).reverse());
            prop_assert_eq!(natural_order(a, b) == Ordering::Equal, a == b);
            if natural_order(a, b).is_le() && natural_order(b, c).is_le() {
                prop_assert!(natural_order(a, c).is_le());
            }
            names.sort_by(|a, b| natural_order(a, b));
            prop_assert!(names.is_sorted_by(|a, b| natural_order(a, b).is_le()));
        }

        /// Keys never say otherwise than names do.
        #[test]
        fn sorting_by_keys_is_sorting_by_names(
            mut names in prop::collection::vec("(model\\.layers\\.|é)?[0-2]{0,3}[a./:\u{0}]{0,3}[019]{0,30}[.b]{0,2}(0{0,3}[19]{0,300})?", 0..40),
        ) {
            let order = natural_sort(&names, |name| name);
            let sorted: Vec<String> = order.iter().map(|&at| names[at as usize].clone()).collect();
            names.sort_by(|a, b| natural_order(a, b));
            prop_assert_eq!(sorted, names);
        }
    }
}
