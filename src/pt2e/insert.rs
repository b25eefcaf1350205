//! Quantizers put into a graph.

use std::collections::{HashMap, HashSet};

use super::observe::Parameters;
use super::sites::Sites;
use crate::graph::Name;
use crate::graph::aten::{Argument, Definition, Node, OWN, Operator, Program, Value, ValueId};

/// A program with places to look at values in it, and what the value at each of the sites is called there, in their
/// order.
pub fn observed(program: &Program, sites: &Sites) -> (Program, Vec<Name>) {
    Inserter::new(program, sites, None).run()
}

/// A program with quantizers in it. `parameters` has those of each of the groups of the sites; where one is missing
/// the values of its sites stay as they are.
pub fn insert(program: &Program, sites: &Sites, parameters: &[Option<Parameters>]) -> Program {
    Inserter::new(program, sites, Some(parameters)).run().0
}

struct Inserter<'a> {
    program: &'a Program,
    sites: &'a Sites,
    parameters: Option<&'a [Option<Parameters>]>,
    values: Vec<Value>,
    names: HashSet<Name>,
    /// What all who take a value take in its place.
    for_all: HashMap<ValueId, ValueId>,
    /// What one operation takes in its place.
    for_one: HashMap<(ValueId, usize), ValueId>,
    /// New operations behind each operation, or at the beginning.
    behind: HashMap<Option<usize>, Vec<Node>>,
}

impl<'a> Inserter<'a> {
    fn new(program: &'a Program, sites: &'a Sites, parameters: Option<&'a [Option<Parameters>]>) -> Self {
        Self {
            program,
            sites,
            parameters,
            values: program.graph.values.clone(),
            names: program.graph.values.iter().map(|value| value.name.clone()).collect(),
            for_all: HashMap::new(),
            for_one: HashMap::new(),
            behind: HashMap::new(),
        }
    }

    fn run(mut self) -> (Program, Vec<Name>) {
        let mut made = Vec::with_capacity(self.sites.all.len());
        for site in &self.sites.all {
            let taken = self.for_all.get(&site.value).copied().unwrap_or(site.value);
            let parameters = self.parameters.map(|all| all.get(site.group).copied().flatten());
            let value = match parameters {
                Some(None) => taken,
                parameters => self.add(site.value, taken, parameters.flatten()),
            };
            made.push(value);
            match &site.users {
                None => _ = self.for_all.insert(site.value, value),
                Some(users) => self.for_one.extend(users.iter().map(|user| ((site.value, *user), value))),
            }
        }
        let program = self.rewritten();
        let name = |id: &ValueId| program.graph.value(*id).map_or_else(|| "".into(), |value| value.name.clone());
        let names = made.iter().map(name).collect();
        (program, names)
    }

    /// Adds an operation behind a value; gives what it gives.
    fn add(&mut self, of: ValueId, taken: ValueId, parameters: Option<Parameters>) -> ValueId {
        let Some(value) = self.program.graph.value(of) else { return taken };
        let (wish, operator) = match parameters {
            None => (format!("{}_observed", value.name), "observe"),
            Some(_) => (format!("{}_dequantized", value.name), "quantize"),
        };
        let name = self.fresh(&wish);
        let made = ValueId(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        // Where it stands becomes known when the operations are put together.
        self.values.push(Value { name: name.clone(), ty: value.ty.clone(), definition: value.definition });
        let mut arguments: Vec<(Name, Argument)> = vec![("input".into(), Argument::Value(taken))];
        if let Some(parameters) = parameters {
            arguments.push(("scale".into(), Argument::Float(f64::from(parameters.scale))));
            arguments.push(("zero_point".into(), Argument::Int(i64::from(parameters.zero_point))));
            arguments.push(("signed".into(), Argument::Bool(parameters.spec.signed)));
        }
        let at = match value.definition {
            Definition::Node(index) => Some(index as usize),
            Definition::Input(_) => None,
        };
        let modules = at.map(|at| self.program.graph.nodes[at].modules.clone());
        let node = Node {
            name,
            operator: Operator { namespace: OWN.into(), name: operator.into(), overload: "".into() },
            arguments,
            outputs: vec![Argument::Value(made)],
            modules: modules.unwrap_or_else(|| [].into()),
            source: None,
        };
        self.behind.entry(at).or_default().push(node);
        made
    }

    fn fresh(&mut self, wish: &str) -> Name {
        let mut name: Name = wish.into();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            name = format!("{wish}_{number}").into();
            number += 1;
        }
        name
    }

    fn rewritten(&mut self) -> Program {
        let mut program = self.program.clone();
        let mut nodes = Vec::with_capacity(program.graph.nodes.len());
        nodes.extend(self.behind.remove(&None).unwrap_or_default());
        for (index, mut node) in std::mem::take(&mut program.graph.nodes).into_iter().enumerate() {
            let instead = |value: ValueId| {
                let one = self.for_one.get(&(value, index)).or_else(|| self.for_all.get(&value));
                one.copied().unwrap_or(value)
            };
            node.arguments.iter_mut().for_each(|(_, argument)| argument.map_values(&instead));
            nodes.push(node);
            nodes.extend(self.behind.remove(&Some(index)).unwrap_or_default());
        }
        let mut values = std::mem::take(&mut self.values);
        for (index, node) in nodes.iter().enumerate() {
            for value in node.outputs.iter().flat_map(Argument::values) {
                if let Some(value) = values.get_mut(value.0 as usize) {
                    value.definition = Definition::Node(u32::try_from(index).unwrap_or(u32::MAX));
                }
            }
        }
        let instead = |value: ValueId| self.for_all.get(&value).copied().unwrap_or(value);
        program.graph.outputs.iter_mut().for_each(|output| output.map_values(&instead));
        let outputs = program.outputs.iter_mut().filter_map(|output| output.value.as_mut());
        // What callers get keeps its name: the value in float has another one.
        let mut renamed = HashSet::new();
        for output in outputs {
            let of = std::mem::replace(output, instead(*output));
            if of != *output && renamed.insert(of) {
                let (float, codes) = (of.0 as usize, output.0 as usize);
                let name = values[float].name.clone();
                values[float].name = std::mem::replace(&mut values[codes].name, name);
            }
        }
        program.graph.nodes = nodes;
        program.graph.values = values;
        program
    }
}
