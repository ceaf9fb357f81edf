//! How wide a text will be, estimated on the wide side.
//!
//! The reader's browser picks the font, so no figure here is exact. The advance widths are those
//! of `DejaVu Sans`, about a tenth wider than Arial and Helvetica: what fits here fits there.

/// Advance widths of the printable ASCII characters from the space on, thousandths of an em.
const ASCII: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];
/// Any other character: as wide as an em.
const OTHER: u16 = 1000;
/// Bold is at most this much wider.
const BOLD: f64 = 1.13;

/// Width of `text` at `size` pixels, pixels.
#[must_use]
pub fn width(text: &str, size: f64, bold: bool) -> f64 {
    let units: u64 = text.chars().map(|c| u64::from(advance(c))).sum();
    units as f64 / 1000.0 * size * if bold { BOLD } else { 1.0 }
}

fn advance(c: char) -> u16 {
    match c {
        ' '..='~' => ASCII[c as usize - ' ' as usize],
        'µ' => 636,
        '·' | '\u{a0}' => 318,
        '–' => 500,
        _ => OTHER,
    }
}

/// `text` broken at spaces into lines of at most `max` pixels; a longer word stands alone.
#[must_use]
pub fn wrap(text: &str, max: f64, size: f64, bold: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if let Some(line) = lines.last_mut() {
            let longer = format!("{line} {word}");
            if width(&longer, size, bold) <= max {
                *line = longer;
                continue;
            }
        }
        lines.push(word.to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_the_last_space_that_fits_and_loses_no_word() {
        let text = "the interval is over blocks, never over requests";
        let lines = wrap(text, 120.0, 11.0, false);
        assert!(lines.len() > 1);
        assert_eq!(lines.join(" "), text);
        assert!(lines.iter().all(|line| width(line, 11.0, false) <= 120.0));
    }

    #[test]
    fn a_word_wider_than_the_line_stands_alone() {
        assert_eq!(wrap("a unbreakable b", 20.0, 12.0, false), ["a", "unbreakable", "b"]);
    }

    #[test]
    fn unknown_characters_count_as_a_whole_em() {
        assert!((width("漢", 10.0, false) - 10.0).abs() < 1e-9);
    }
}
