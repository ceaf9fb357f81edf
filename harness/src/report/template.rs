//! The page as Markdown and as one offline HTML file.

use askama::Template;

use super::page::Page;

#[derive(Template)]
#[template(path = "report.html")]
struct Html<'a> {
    page: &'a Page,
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
    Ok(Html { page }.render()?)
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
