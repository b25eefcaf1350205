//! Sums of products, as `einsum` names their dimensions by letters.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::linear::matmul;
use super::shape::transposed;
use super::sizes::Extent;
use super::table::{Entry, entry};
use crate::graph::aten::Dim;

pub(super) static OPERATORS: &[Entry] = &[
    entry("einsum", &["equation", "tensors", "path"], einsum),
    entry("tensordot", &["self", "other", "dims_self", "dims_other"], tensordot),
    entry("bilinear", &["input1", "input2", "weight", "bias"], bilinear),
];

/// A tensor whose dimensions have letters.
#[derive(Clone)]
struct Term {
    letters: Vec<char>,
    dims: Vec<Dim>,
    value: Value,
}

impl Term {
    fn new(letters: Vec<char>, dims: Vec<Dim>, value: Value) -> Result<Term, String> {
        let twice = letters.iter().enumerate().any(|(at, letter)| letters[..at].contains(letter));
        match letters.len() == dims.len() && !twice {
            true => Ok(Term { letters, dims, value }),
            false => Err("its equation takes a diagonal, or does not go with the tensors".to_owned()),
        }
    }

    /// In another order of letters, all of which it has.
    fn ordered(self, b: &mut Builder<'_>, letters: &[char]) -> Result<Term, String> {
        let place = |letter: &char| self.letters.iter().position(|own| own == letter);
        let order: Option<Vec<usize>> = letters.iter().map(place).collect();
        let order = order.filter(|order| order.len() == self.letters.len());
        let order = order.ok_or("its equation names a dimension that nothing has")?;
        let dims = order.iter().map(|axis| self.dims[*axis].clone()).collect();
        let value = transposed(b, &self.value, order)?;
        Ok(Term { letters: letters.to_vec(), dims, value })
    }

    /// Without the dimensions whose letters are not wanted: their sums.
    fn summed(self, b: &mut Builder<'_>, is_wanted: &dyn Fn(char) -> bool) -> Result<Term, String> {
        let dropped: Vec<usize> = (0..self.letters.len()).filter(|at| !is_wanted(self.letters[*at])).collect();
        if dropped.is_empty() {
            return Ok(self);
        }
        let axes = Param::Ints(dropped.iter().map(|axis| *axis as i64).collect());
        let parameters = vec![("x", Param::Value(&self.value)), ("axes", axes), ("keep_dims", Param::Bool(false))];
        let value = b.op("reduce_sum", parameters)?;
        let kept = |at: &usize| !dropped.contains(at);
        let letters = (0..self.letters.len()).filter(kept).map(|at| self.letters[at]).collect();
        let dims = (0..self.dims.len()).filter(kept).map(|at| self.dims[at].clone()).collect();
        Ok(Term { letters, dims, value })
    }

    fn has(&self, letter: char) -> bool {
        self.letters.contains(&letter)
    }

    fn dim(&self, letter: char) -> Option<&Dim> {
        self.dims.get(self.letters.iter().position(|own| *own == letter)?)
    }
}

/// The size of several dimensions as one.
fn merged(dims: &[Dim]) -> Extent {
    let product = dims.iter().try_fold(1u64, |all, dim| all.checked_mul(dim.known()?));
    product.and_then(|all| i64::try_from(all).ok()).map_or(Extent::Rest, Extent::Fixed)
}

/// The product of two tensors, summed over the letters that are not wanted.
fn product(b: &mut Builder<'_>, x: Term, y: Term, is_wanted: &dyn Fn(char) -> bool) -> Result<Term, String> {
    let (y_letters, x_letters) = (y.letters.clone(), x.letters.clone());
    let x = x.summed(b, &|letter| is_wanted(letter) || y_letters.contains(&letter))?;
    let y = y.summed(b, &|letter| is_wanted(letter) || x_letters.contains(&letter))?;
    let all = |term: &Term, keep: &dyn Fn(char) -> bool| -> Vec<char> {
        term.letters.iter().copied().filter(|letter| keep(*letter)).collect()
    };
    let batch = all(&x, &|letter| y.has(letter) && is_wanted(letter));
    let inner = all(&x, &|letter| y.has(letter) && !is_wanted(letter));
    let left = all(&x, &|letter| !y.has(letter));
    let right = all(&y, &|letter| !x.has(letter));
    let join = |parts: [&[char]; 3]| parts.concat();
    let x = x.ordered(b, &join([&batch, &left, &inner]))?;
    let y = y.ordered(b, &join([&batch, &inner, &right]))?;
    let dims = |term: &Term, letters: &[char]| -> Vec<Dim> {
        letters.iter().filter_map(|letter| term.dim(*letter).cloned()).collect()
    };
    let as_matrix = |b: &mut Builder<'_>, term: &Term, rows: &[char], columns: &[char]| -> One {
        if rows.len() == 1 && columns.len() == 1 {
            return Ok(term.value.clone());
        }
        let mut extents = b.extents(&dims(term, &batch))?;
        extents.extend([merged(&dims(term, rows)), merged(&dims(term, columns))]);
        b.reshape_to(&term.value, extents)
    };
    let (a, c) = (as_matrix(b, &x, &left, &inner)?, as_matrix(b, &y, &inner, &right)?);
    let value = matmul(b, &a, &c, (false, false))?;
    let letters = join([&batch, &left, &right]);
    let own: Vec<Dim> = [dims(&x, &batch), dims(&x, &left), dims(&y, &right)].concat();
    let value = match left.len() == 1 && right.len() == 1 {
        true => value,
        false => b.reshape_as(&value, &own)?,
    };
    Ok(Term { letters, dims: own, value })
}

/// The letters of each operand and of the result, dots replaced by letters of their own.
fn letters(equation: &str, ranks: &[usize]) -> Result<(Vec<Vec<char>>, Vec<char>), String> {
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs.to_owned(), Some(output.to_owned())),
        None => (text, None),
    };
    let inputs: Vec<&str> = inputs.split(',').collect();
    if inputs.len() != ranks.len() {
        return Err("its equation does not go with the tensors".to_owned());
    }
    // Capital letters beyond those of the alphabet stand for what dots mean, counted from the last.
    let dots = |count: usize| -> Vec<char> {
        (0..count).rev().filter_map(|at| char::from_u32(0x391 + u32::try_from(at).ok()?)).collect()
    };
    let mut most = 0;
    let mut all = Vec::with_capacity(inputs.len());
    for (input, rank) in inputs.iter().zip(ranks) {
        let own = input.chars().filter(|c| *c != '.').count();
        all.push(match input.split_once("...") {
            Some((before, after)) => {
                let count = rank.checked_sub(own).filter(|count| *count <= 16);
                let count = count.ok_or("its equation does not go with the tensors")?;
                most = most.max(count);
                before.chars().chain(dots(count)).chain(after.chars()).collect()
            }
            None => input.chars().collect::<Vec<char>>(),
        });
    }
    let output = match output {
        Some(output) => match output.split_once("...") {
            Some((before, after)) => before.chars().chain(dots(most)).chain(after.chars()).collect(),
            None => output.chars().collect(),
        },
        None => {
            let flat: Vec<char> = all.iter().flatten().copied().collect();
            let once = |letter: &&char| flat.iter().filter(|other| other == letter).count() == 1 && letter.is_ascii();
            let mut once: Vec<char> = flat.iter().filter(once).copied().collect();
            once.sort_unstable();
            dots(most).into_iter().chain(once).collect()
        }
    };
    Ok((all, output))
}

fn einsum(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let equation = args.text("equation").ok_or("its argument `equation` is no text")?;
    let ids = args.ids("tensors")?;
    let mut values = Vec::with_capacity(ids.len());
    for id in ids {
        let dims = args.graph.tensor(id).ok_or("it takes what is no tensor")?.shape.clone();
        values.push((b.value(id)?, dims));
    }
    let ranks: Vec<usize> = values.iter().map(|(value, _)| value.rank()).collect();
    let (inputs, output) = letters(equation, &ranks)?;
    let terms = inputs.into_iter().zip(values).map(|(letters, (value, dims))| Term::new(letters, dims, value));
    let terms = terms.collect::<Result<Vec<_>, _>>()?;
    Ok(vec![contracted(b, terms, &output)?])
}

/// The product of all terms, with the letters of the result.
fn contracted(b: &mut Builder<'_>, terms: Vec<Term>, output: &[char]) -> One {
    // Dimensions of one letter have one size; that 1 may stand for any is left out.
    for (at, term) in terms.iter().enumerate() {
        for (letter, dim) in term.letters.iter().zip(&term.dims) {
            let other = terms[..at].iter().find_map(|term| term.dim(*letter));
            if other.is_some_and(|other| other != dim) {
                return Err("its equation repeats a dimension of size 1, which is not converted".to_owned());
            }
        }
    }
    let mut rest = terms.into_iter();
    let mut term = rest.next().ok_or("it takes no tensors")?;
    let mut rest: Vec<Term> = rest.collect();
    while !rest.is_empty() {
        let next = rest.remove(0);
        let later: Vec<char> = rest.iter().flat_map(|term| term.letters.clone()).collect();
        term = product(b, term, next, &|letter| output.contains(&letter) || later.contains(&letter))?;
    }
    let term = term.summed(b, &|letter| output.contains(&letter))?;
    Ok(term.ordered(b, output)?.value)
}

/// Letters for dimensions, from one on.
fn alphabet(from: usize, count: usize) -> Vec<char> {
    (from..from + count).filter_map(|at| char::from_u32(0x4e00 + u32::try_from(at).ok()?)).collect()
}

fn tensordot(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let mut terms = Vec::new();
    for (name, from) in [("self", 0), ("other", 100)] {
        let id = args.id(name).ok_or("it takes what is no tensor")?;
        let dims = args.graph.tensor(id).ok_or("it takes what is no tensor")?.shape.clone();
        let value = b.value(id)?;
        terms.push(Term::new(alphabet(from, value.rank()), dims, value)?);
    }
    let axes = |name: &str, term: &Term| {
        args.ints(name)?.into_iter().map(|axis| term.value.axis(axis)).collect::<Result<Vec<usize>, String>>()
    };
    let (first, second) = (axes("dims_self", &terms[0])?, axes("dims_other", &terms[1])?);
    for (a, c) in first.iter().zip(&second) {
        terms[1].letters[*c] = terms[0].letters[*a];
    }
    let shared: Vec<char> = first.iter().map(|axis| terms[0].letters[*axis]).collect();
    let output = terms
        .iter()
        .flat_map(|term| term.letters.clone())
        .filter(|letter| !shared.contains(letter))
        .collect::<Vec<_>>();
    Ok(vec![contracted(b, terms, &output)?])
}

/// `out[…, o]` is the sum of `x[…, i] weight[o, i, j] y[…, j]`.
fn bilinear(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let mut terms = Vec::new();
    for name in ["input1", "weight", "input2"] {
        let id = args.id(name).ok_or("it takes what is no tensor")?;
        let dims = args.graph.tensor(id).ok_or("it takes what is no tensor")?.shape.clone();
        let value = b.value(id)?;
        let outer = alphabet(0, value.rank().saturating_sub(1));
        let letters = match name {
            "input1" => [outer, vec!['i']].concat(),
            "weight" => vec!['o', 'i', 'j'],
            _ => [outer, vec!['j']].concat(),
        };
        terms.push(Term::new(letters, dims, value)?);
    }
    let outer = terms[0].letters.len() - 1;
    let output = [alphabet(0, outer), vec!['o']].concat();
    let mut value = contracted(b, terms, &output)?;
    if let Some(bias) = b.tensor_if(args, "bias")? {
        value = super::elementwise::arithmetic(b, "add", &value, &bias)?;
    }
    Ok(vec![value])
}
