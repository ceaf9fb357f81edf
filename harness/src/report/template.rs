//! The page as Markdown and as one offline HTML file.

use askama::Template;
use base64_simd::STANDARD;
use sha2::{Digest as _, Sha256};

use super::page::Page;

/// The model and the sliders.
const SCRIPT: &str =
    concat!(include_str!("../../templates/model.js"), include_str!("../../templates/decide.js"));

#[derive(Template)]
#[template(path = "report.html")]
struct Html<'a> {
    page: &'a Page,
    /// The only script that may run, and what the policy knows it by; empty on a page without.
    script: &'static str,
    script_sha256: String,
}

#[derive(Template)]
#[template(path = "report.md", escape = "none")]
struct Markdown<'a> {
    page: &'a Page,
}

/// One file, readable without scripts and without a network.
///
/// # Errors
/// When the template cannot be rendered.
pub(super) fn html(page: &Page) -> anyhow::Result<String> {
    let script = if page.decide.is_some() { SCRIPT } else { "" };
    let script_sha256 = STANDARD.encode_to_string(Sha256::digest(script));
    Ok(Html { page, script, script_sha256 }.render()?)
}

/// Markdown that shows the charts from the folder beside it.
///
/// # Errors
/// When the template cannot be rendered.
pub(super) fn markdown(page: &Page) -> anyhow::Result<String> {
    let text = Markdown { page }.render()?;
    Ok(tidy(&text))
}

/// No trailing spaces, no runs of blank lines, one newline at the end.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        if !(blank && line.is_empty()) {
            out.push_str(line);
            out.push('\n');
        }
        blank = line.is_empty();
    }
    format!("{}\n", out.trim_end())
}
