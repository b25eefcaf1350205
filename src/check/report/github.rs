//! Findings as commands of a GitHub workflow, which become annotations of a pull request.

use std::fmt::Write;

use super::{Checked, Failed, Texts};
use crate::check::Severity;

/// One `::error …::message` line for each finding.
pub fn github(checked: &[Checked], failed: &[Failed]) -> String {
    let mut out = String::new();
    for one in failed {
        let file = property(&one.path.to_string_lossy());
        _ = writeln!(out, "::error file={file},title=unreadable::{}", data(&one.message));
    }
    for one in checked {
        let texts = Texts::new(one.recipe);
        for finding in &one.findings {
            let region = texts.region(finding.place);
            let command = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Hint => "notice",
            };
            _ = write!(out, "::{command} file={}", property(&region.path.to_string_lossy()));
            _ = write!(out, ",line={},endLine={}", region.start.line, region.end.line);
            // Columns of a place over several lines would be those of different lines: GitHub rejects them.
            if region.start.line == region.end.line {
                _ = write!(out, ",col={},endColumn={}", region.start.column, region.end.column);
            }
            let help = finding.help.as_ref().map_or(String::new(), |help| format!("\n{help}"));
            let message = data(&format!("{}{help}", finding.message));
            _ = writeln!(out, ",title={}::{message}", property(finding.code));
        }
    }
    out
}

/// A message: what would end it is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property: what would end it or begin the next is escaped too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_a_command() {
        assert_eq!(data("50 % ::error::\r\nx"), "50 %25 ::error::%0D%0Ax");
        assert_eq!(property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
    }
}
