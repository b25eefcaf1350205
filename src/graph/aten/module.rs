//! Modules that operations ran in, and lines of code that they come from.

use std::collections::HashMap;
use std::sync::Arc;

use crate::graph::Name;

/// A module of a program, by its index in [`super::Program::modules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(pub u32);

/// A module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Module {
    /// Its dotted name, empty for the outermost: `layers.0.q_proj`.
    pub path: Name,
    /// Its class: `torch.nn.modules.linear.Linear`.
    pub class: Name,
}

/// A line of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name of the file, without its directories.
    pub file: Name,
    /// The number of the line, from 1.
    pub line: u32,
    /// What stands there, where it was kept.
    pub code: Name,
}

const NO_MODULE: &str = "_empty_nn_module_stack_from_metadata_hook";

/// Modules as they are met, each kept once.
#[derive(Default)]
pub(super) struct Modules {
    all: Vec<Module>,
    known: HashMap<Module, ModuleId>,
    stacks: HashMap<String, Arc<[ModuleId]>>,
}

impl Modules {
    /// Reads a stack of modules: `KEY,PATH,CLASS;KEY,PATH,CLASS`, from outermost to innermost.
    pub(super) fn stack(&mut self, text: &str) -> Arc<[ModuleId]> {
        if let Some(stack) = self.stacks.get(text) {
            return Arc::clone(stack);
        }
        let stack: Arc<[ModuleId]> = split(text, ';').into_iter().filter_map(|entry| self.module(entry)).collect();
        self.stacks.insert(text.to_owned(), Arc::clone(&stack));
        stack
    }

    fn module(&mut self, entry: &str) -> Option<ModuleId> {
        let [_, path, class] = split(entry, ',').try_into().ok()?;
        // What PyTorch writes where it knows of no module.
        if path == NO_MODULE {
            return None;
        }
        // A module that is called again has the number of the call behind its name.
        let path = match path.rsplit_once('@') {
            Some((path, call)) if !call.is_empty() && call.bytes().all(|b| b.is_ascii_digit()) => path,
            _ => path,
        };
        let module = Module { path: path.into(), class: class.into() };
        let next = ModuleId(u32::try_from(self.all.len()).ok()?);
        let id = *self.known.entry(module.clone()).or_insert(next);
        if id == next {
            self.all.push(module);
        }
        Some(id)
    }

    pub(super) fn into_all(self) -> Vec<Module> {
        self.all
    }
}

/// Splits at a separator that stands in no parentheses: `getattr(L, '0'),path,class` has three parts.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if c == separator && depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// The innermost line of a stack trace of Python.
pub(super) fn source(trace: &str) -> Option<Source> {
    let lines: Vec<&str> = trace.lines().map(str::trim).collect();
    let at = lines.iter().rposition(|line| line.starts_with("File \""))?;
    let (path, rest) = lines[at].strip_prefix("File \"")?.split_once('"')?;
    let digits = rest.strip_prefix(", line ")?;
    let digits = digits.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(Source {
        // Whose machine it was is nobody's business.
        file: path.rsplit(['/', '\\']).next().unwrap_or(path).into(),
        line: digits.parse().ok()?,
        code: lines.get(at + 1).copied().unwrap_or("").into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_read_and_shared() {
        let mut modules = Modules::default();
        let text = "L__self__,,models.Net;getattr(L['self'].layers, '0'),layers.0,torch.nn.Linear";
        let (first, second) = (modules.stack(text), modules.stack(text));
        assert!(Arc::ptr_eq(&first, &second));
        let again = modules.stack("L__self__,,models.Net;L__self___layers_0@1,layers.0@1,torch.nn.Linear");
        assert_eq!(first, again);
        assert_eq!(modules.stack("nonsense;;,a").len(), 0);
        let all: Vec<(Name, Name)> = modules.into_all().into_iter().map(|m| (m.path, m.class)).collect();
        assert_eq!(all, [("".into(), "models.Net".into()), ("layers.0".into(), "torch.nn.Linear".into())]);
    }

    #[test]
    fn traces_are_stripped_to_their_last_line() {
        let trace = "  File \"/models/net.py\", line 7, in forward\n    x = self.b(x)\n  File \"/models/b.py\", line 12, in forward\n    return x + 1\n";
        let found = source(trace).expect("it has lines");
        assert_eq!((&*found.file, found.line, &*found.code), ("b.py", 12, "return x + 1"));
        for broken in ["", "File \"", "File \"a\", line x", "File \"a\", line 99999999999999"] {
            assert_eq!(source(broken), None);
        }
    }
}
