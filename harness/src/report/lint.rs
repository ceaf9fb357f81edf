//! Reads an SVG back and says which texts overlap or leave the view.
//!
//! It understands what plotters writes and refuses the rest, so that nothing goes unseen.

use std::fmt;

use super::chart::metrics;
use super::chart::scene::Area;

/// A text of an SVG and the box it is estimated to fill.
#[derive(Clone, Debug, PartialEq)]
pub struct TextBox {
    /// The text.
    pub text: String,
    /// Its box, pixels.
    pub area: Area,
}

/// Something a reader could not read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finding {
    /// The file is not what plotters writes.
    NotUnderstood(String),
    /// A text leaves the view.
    Outside(String),
    /// Two texts share ground.
    Overlap(String, String),
    /// A chart without a voice.
    Silent(&'static str),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUnderstood(what) => write!(f, "not understood: {what}"),
            Self::Outside(text) => write!(f, "leaves the view: {text:?}"),
            Self::Overlap(a, b) => write!(f, "{a:?} overlaps {b:?}"),
            Self::Silent(what) => write!(f, "no {what}"),
        }
    }
}

/// Everything wrong with `svg`; empty when it can be read.
#[must_use]
pub fn lint(svg: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let view = match view(svg) {
        Ok(view) => view,
        Err(what) => return vec![Finding::NotUnderstood(what)],
    };
    for (mark, what) in [
        ("role=\"img\"", "role"),
        ("aria-label=\"", "label"),
        ("<title>", "title"),
        ("<desc>", "description"),
    ] {
        if !svg.contains(mark) {
            found.push(Finding::Silent(what));
        }
    }
    let boxes = match texts(svg) {
        Ok(boxes) => boxes,
        Err(what) => return vec![Finding::NotUnderstood(what)],
    };
    for (i, one) in boxes.iter().enumerate() {
        if !view.contains(&one.area) {
            found.push(Finding::Outside(one.text.clone()));
        }
        for other in &boxes[i + 1..] {
            if one.area.overlaps(&other.area) {
                found.push(Finding::Overlap(one.text.clone(), other.text.clone()));
            }
        }
    }
    found
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let at = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[at..].split('"').next()
}

fn number(tag: &str, name: &str) -> Result<f64, String> {
    let text = attribute(tag, name).ok_or_else(|| format!("no {name} in <{tag}>"))?;
    text.parse().map_err(|_| format!("{name} is {text:?}"))
}

fn view(svg: &str) -> Result<Area, String> {
    let tag = svg.strip_prefix("<svg").and_then(|rest| rest.split('>').next());
    let tag = tag.ok_or("it does not begin with <svg")?;
    Ok(Area::new(0.0, 0.0, number(tag, "width")?, number(tag, "height")?))
}

/// The texts with their boxes.
///
/// # Errors
/// When a text is rotated, nested or placed in a way this does not know.
pub fn texts(svg: &str) -> Result<Vec<TextBox>, String> {
    let mut boxes = Vec::new();
    for piece in svg.split("<text").skip(1) {
        let (tag, rest) = piece.split_once('>').ok_or("a tag without an end")?;
        let (content, _) = rest.split_once("</text>").ok_or("a text without an end")?;
        if content.contains('<') || attribute(tag, "transform").is_some() {
            return Err(format!("nested or turned text: {content:?}"));
        }
        let text = unescape(content.trim());
        let size = number(tag, "font-size")?;
        let bold = attribute(tag, "font-weight") == Some("bold");
        let width = metrics::width(&text, size, bold);
        let x = number(tag, "x")?;
        let x0 = match attribute(tag, "text-anchor") {
            Some("start") => x,
            Some("middle") => x - width / 2.0,
            Some("end") => x - width,
            other => return Err(format!("text-anchor {other:?}")),
        };
        // Where the baseline lies below y, in ems; an x-height is about half an em.
        let down = match attribute(tag, "dy") {
            Some("0.5ex") => 0.27,
            Some("0.76em") => 0.76,
            Some("-0.5ex") => -0.27,
            other => return Err(format!("dy {other:?}")),
        };
        let baseline = number(tag, "y")? + down * size;
        // Ink of Latin letters: ascenders and descenders.
        let area = Area::new(x0, baseline - 0.76 * size, x0 + width, baseline + 0.22 * size);
        boxes.push(TextBox { text, area });
    }
    Ok(boxes)
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(texts: &str) -> String {
        format!(
            "<svg width=\"200\" height=\"100\" role=\"img\" aria-label=\"a\">\
             <title>a</title><desc>b</desc>{texts}</svg>"
        )
    }

    fn text(x: i32, y: i32, anchor: &str, content: &str) -> String {
        format!(
            "<text x=\"{x}\" y=\"{y}\" dy=\"0.5ex\" text-anchor=\"{anchor}\" \
             font-size=\"12\">\n{content}\n</text>"
        )
    }

    #[test]
    fn texts_apart_from_each_other_pass() {
        let two = text(10, 20, "start", "one") + &text(10, 40, "start", "two");
        assert_eq!(lint(&svg(&two)), []);
    }

    #[test]
    fn overlapping_texts_fail() {
        let two = text(10, 20, "start", "one text") + &text(30, 24, "start", "another");
        assert_eq!(lint(&svg(&two)), [Finding::Overlap("one text".into(), "another".into())]);
    }

    #[test]
    fn a_text_beyond_any_edge_fails() {
        for (x, y, anchor) in [
            (190, 50, "start"),
            (10, 50, "end"),
            (2, 50, "middle"),
            (50, 2, "start"),
            (50, 99, "start"),
        ] {
            let found = lint(&svg(&text(x, y, anchor, "a longer text")));
            assert_eq!(found, [Finding::Outside("a longer text".into())], "{x} {y} {anchor}");
        }
    }

    #[test]
    fn turned_text_and_missing_voice_are_refused() {
        let turned = "<text transform=\"rotate(90)\" x=\"1\" y=\"1\">\na\n</text>";
        assert!(matches!(lint(&svg(turned))[..], [Finding::NotUnderstood(_)]));
        assert_eq!(lint("<svg width=\"9\" height=\"9\"></svg>").len(), 4);
        assert!(matches!(lint("<p>")[..], [Finding::NotUnderstood(_)]));
    }
}
