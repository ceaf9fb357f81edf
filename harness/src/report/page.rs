//! The page before it is written: what Markdown and HTML both show, in the same order.

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What it holds; spoken by screen readers.
    pub caption: String,
    /// Column heads.
    pub head: Vec<String>,
    /// Rows, as long as the head.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(caption: &str, head: &[&str]) -> Self {
        let head = head.iter().map(|h| (*h).to_owned()).collect();
        Self { caption: caption.into(), head, rows: vec![] }
    }

    /// The same with `rows`.
    #[must_use]
    pub fn with(mut self, rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// As a Markdown table; pipes in cells are escaped.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|c| c.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule: Vec<String> = self.head.iter().map(|_| "---".to_owned()).collect();
        let mut text = line(&self.head) + &line(&rule);
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }
}

/// A chart on the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The stem of its files.
    pub name: String,
    /// What it shows, in words.
    pub alt: String,
    /// The SVG for a desktop.
    pub wide: String,
    /// The SVG for a phone.
    pub narrow: String,
}

/// A part of the page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Its anchor.
    pub id: &'static str,
    /// Its heading.
    pub heading: String,
    /// Paragraphs before the chart.
    pub lead: Vec<String>,
    /// A list.
    pub items: Vec<String>,
    /// The chart.
    pub figure: Option<Figure>,
    /// The tables.
    pub tables: Vec<Table>,
    /// Commands, one a line.
    pub commands: Vec<String>,
}

/// The whole page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// Loud warnings.
    pub banners: Vec<String>,
    /// The parts.
    pub sections: Vec<Section>,
    /// What the sliders work on, JSON that may stand in a script element; without it there is none.
    pub decide: Option<String>,
}

/// Prose as HTML: escaped, `code` between backticks as code.
#[must_use]
pub fn inline_html(text: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split('`').enumerate() {
        let part = super::chart::scene::escape(part);
        if i % 2 == 1 {
            out.push_str("<code>");
            out.push_str(&part);
            out.push_str("</code>");
        } else {
            out.push_str(&part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_escaped_inside_and_outside_of_code() {
        assert_eq!(inline_html("a < `b<c>`"), "a &lt; <code>b&lt;c&gt;</code>");
    }

    #[test]
    fn a_pipe_in_a_cell_does_not_end_it() {
        let table = Table::new("t", &["a"]).with([vec!["x|y".into()]]);
        assert_eq!(table.markdown(), "| a |\n| --- |\n| x\\|y |\n");
    }
}
