//! What each rule does to the model, shown behind it.

use std::collections::BTreeMap;

use super::Analysis;
use crate::plan::RuleShare;
use crate::recipe::FileId;
use crate::syntax::Span;
use crate::words::{count, percent};

/// A few words that an editor shows in the text, which are no part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlayHint {
    /// Behind which byte.
    pub offset: u32,
    /// The words.
    pub label: String,
    /// More, in Markdown.
    pub tooltip: Option<String>,
}

/// The hints that the user wants, in a range or the whole text: behind each rule, import and preset the weights that
/// it decides with their bytes before and after, and behind all of it the sums. None without a model.
pub fn inlay_hints(analysis: &Analysis, range: Option<Span>) -> Vec<InlayHint> {
    let range = range.unwrap_or(Span::new(0, u32::MAX));
    let Some((_, plan)) = analysis.planned() else { return Vec::new() };
    let mut hints = Vec::new();
    if analysis.settings().hints.rules {
        // Several rules come of one import or preset.
        let mut shares: BTreeMap<u32, (RuleShare, bool)> = BTreeMap::new();
        for (rule, share) in analysis.recipe().rules.iter().zip(&plan.rules) {
            let Some(place) = analysis.own_place(rule.place).filter(|place| range.touches(place.span.end)) else {
                continue;
            };
            let is_own = rule.place.file == FileId(0);
            let (sum, _) = shares.entry(place.span.end).or_insert((RuleShare::default(), is_own));
            *sum = sum.plus(*share);
        }
        hints.extend(shares.into_iter().map(|(offset, (share, is_own))| InlayHint {
            offset,
            label: share.to_string(),
            tooltip: is_own.then(|| overtaken(&share)).flatten(),
        }));
    }
    let end = analysis.text().len() as u32;
    if let Some(totals) = analysis.totals().filter(|_| analysis.settings().hints.total && range.touches(end)) {
        let coverage = format!("{} of the bytes that can be quantized are.", percent(totals.coverage()));
        hints.push(InlayHint { offset: end, label: format!("total: {totals}"), tooltip: Some(coverage) });
    }
    hints
}

/// What is to be said of the weights that a rule matches and does not decide.
pub(super) fn overtaken(share: &RuleShare) -> Option<String> {
    let lost = share.matches.saturating_sub(share.decides);
    (lost > 0).then(|| format!("Matches {}; later rules decide {} of them.", count(share.matches, "weight"), lost))
}
