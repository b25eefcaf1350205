//! coremltools as a judge.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::prove::root;

/// A Python with coremltools.
pub struct Judge {
    python: String,
}

impl Judge {
    /// The one that the environment names; says what is skipped where there is none.
    pub fn found(skipped: &str) -> Option<Judge> {
        let python = std::env::var("BITMILL_PYTHON").ok();
        let has = |python: &String| {
            let find = "import importlib.util, sys; sys.exit(importlib.util.find_spec('coremltools') is None)";
            Command::new(python).args(["-c", find]).status().is_ok_and(|status| status.success())
        };
        let found = python.filter(has).map(|python| Judge { python });
        if found.is_none() {
            // Past the capture of the test runner: a test that did not run must not look as if it had.
            let why = "set BITMILL_PYTHON to a Python that has coremltools";
            let _ = writeln!(std::io::stderr(), "SKIPPED: {skipped}; {why}");
        }
        found
    }

    /// Has `check_package.py` judge packages; gives its line of counts for each.
    pub fn packages(&self, jobs: &[serde_json::Value], at: &Path) -> Vec<String> {
        let list = at.join("jobs.json");
        std::fs::write(&list, serde_json::to_vec(jobs).unwrap()).unwrap();
        let script = root().join("tests/upstream/check_package.py");
        let output = Command::new(&self.python).arg(script).arg(list).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect()
    }
}
