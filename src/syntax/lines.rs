//! stand-in until the parser's branch is merged
#[derive(Debug)]
pub struct LineIndex;
pub struct P { pub line: usize, pub column: usize }
impl LineIndex {
    pub fn new(_: &str) -> Self { Self }
    pub fn position(&self, _: &str, _: u32) -> P { P { line: 1, column: 1 } }
}
