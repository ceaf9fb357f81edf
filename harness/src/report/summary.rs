//! The run in a terminal: the sentences of the report and one table.

use comfy_table::Table;

use super::chart::Input;
use super::palette::Palette;
use super::{tables, verdicts};
use crate::record::derived::Derived;
use crate::record::run::Run;

/// What a run showed, for people who have not opened its page yet.
#[must_use]
pub fn summary(run: &Run, derived: &Derived) -> String {
    let palette = Palette::new(run);
    let input = Input { run, derived, palette: &palette };
    let plain = |text: &str| text.replace(['`', '*'], "");
    let mut text = format!("{}\n", plain(verdicts::status_note(run)));
    for sentence in verdicts::sentences(&input) {
        text.push_str(&plain(&sentence));
        text.push('\n');
    }
    if run.plan.is_some() {
        text.push_str(&format!("{}\n", costs(&input, plain)));
    }
    for missing in &run.not_measured {
        text.push_str(&format!(
            "{}: not measured: {}; {}\n",
            missing.what, missing.reason, missing.remedy
        ));
    }
    text
}

/// What each strategy costs and can take back.
fn costs(input: &Input<'_>, plain: impl Fn(&str) -> String) -> Table {
    let mut table = Table::new();
    let cost = tables::cost(input);
    // The first four columns fit a terminal; the page has the others.
    table.set_header(cost.head.iter().take(4).chain(["revocation lag".to_owned()].iter()));
    let promises = tables::promises(input);
    for (row, promise) in cost.rows.iter().zip(&promises.rows) {
        table.add_row(row.iter().take(4).chain(promise.iter().skip(1).take(1)).map(|c| plain(c)));
    }
    table
}
