//! One colour and one marker per strategy, the same in every chart.
//!
//! Both follow from the strategy's row in the registry, so nothing here knows one by name. Nine
//! colours and five marker shapes repeat only after 45 rows.

use authbench::strategy::StrategyKind;

use super::chart::scene::{Rgb, Scene};
use crate::record::run::Run;

/// Colours told apart with the common colour-vision deficiencies, each at least 3:1 against white:
/// two of Okabe and Ito's, the others found by a search for the largest least distance.
pub const COLORS: [Rgb; 9] = [
    Rgb(0x00_72_b2),
    Rgb(0xd5_5e_00),
    Rgb(0x11_55_44),
    Rgb(0xbb_00_ff),
    Rgb(0x55_77_33),
    Rgb(0xff_00_77),
    Rgb(0x33_22_66),
    Rgb(0xff_55_55),
    Rgb(0x44_33_00),
];

/// The shape of a point.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Marker {
    /// A disc.
    Circle,
    /// A square on its side.
    Square,
    /// A square on its corner.
    Diamond,
    /// A triangle pointing up.
    Up,
    /// A triangle pointing down.
    Down,
}

/// The shapes, in the order in which they are given out.
pub const MARKERS: [Marker; 5] =
    [Marker::Circle, Marker::Square, Marker::Diamond, Marker::Up, Marker::Down];

/// How a strategy is drawn.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Look {
    /// Its colour.
    pub color: Rgb,
    /// Its marker.
    pub marker: Marker,
}

/// The looks of the strategies of a run.
#[derive(Clone, Debug)]
pub struct Palette {
    order: Vec<String>,
    floors: Vec<String>,
}

impl Palette {
    /// Registered strategies by their row; strategies of the record that are not registered (any
    /// more) follow in the record's order.
    #[must_use]
    pub fn new(run: &Run) -> Self {
        let mut order: Vec<String> =
            StrategyKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
        for strategy in &run.strategies {
            if !order.contains(&strategy.id) {
                order.push(strategy.id.clone());
            }
        }
        let floors = run.strategies.iter().filter(|s| s.family == "floor");
        Self { order, floors: floors.map(|s| s.id.clone()).collect() }
    }

    /// How `strategy` is drawn: the floor in grey, the others each in their own way.
    #[must_use]
    pub fn look(&self, strategy: &str) -> Look {
        if self.floors.iter().any(|id| id == strategy) {
            return Look { color: Rgb::GREY, marker: Marker::Circle };
        }
        let others = self.order.iter().filter(|id| !self.floors.contains(id));
        let row = others.clone().position(|id| id == strategy).unwrap_or_else(|| others.count());
        Look { color: COLORS[row % COLORS.len()], marker: MARKERS[row % MARKERS.len()] }
    }
}

impl Look {
    /// Draws the marker with the area of a disc of `radius` pixels; hollow where nothing was
    /// measured.
    pub fn draw(&self, scene: &mut Scene, at: (f64, f64), radius: f64, hollow: bool) {
        let corners = self.corners(at, radius);
        match (corners.is_empty(), hollow) {
            (true, false) => scene.disc(at, radius, self.color),
            (true, true) => {
                scene.disc(at, radius, Rgb(0xff_ff_ff));
                scene.ring(at, radius, self.color, 2);
            }
            (false, false) => scene.polygon(corners, self.color),
            (false, true) => {
                scene.polygon(corners.clone(), Rgb(0xff_ff_ff));
                let first = corners[0];
                scene.path(corners.into_iter().chain([first]).collect(), self.color, 2);
            }
        }
    }

    fn corners(&self, (x, y): (f64, f64), radius: f64) -> Vec<(f64, f64)> {
        // Sides that give each shape the disc's area, so that size is read alike.
        let square = radius * 0.89;
        let diamond = radius * 1.25;
        let (wide, high) = (radius * 1.35, radius * 1.17);
        match self.marker {
            Marker::Circle => vec![],
            Marker::Square => vec![
                (x - square, y - square),
                (x + square, y - square),
                (x + square, y + square),
                (x - square, y + square),
            ],
            Marker::Diamond => {
                vec![(x, y - diamond), (x + diamond, y), (x, y + diamond), (x - diamond, y)]
            }
            Marker::Up => vec![(x, y - high), (x + wide, y + high), (x - wide, y + high)],
            Marker::Down => vec![(x, y + high), (x + wide, y - high), (x - wide, y - high)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::synthetic;

    #[test]
    fn no_two_strategies_look_alike_and_the_floor_is_grey() {
        let run = synthetic::run(1);
        let palette = Palette::new(&run);
        let mut seen = std::collections::HashSet::new();
        for strategy in &run.strategies {
            let look = palette.look(&strategy.id);
            assert_eq!(look.color == Rgb::GREY, strategy.family == "floor", "{}", strategy.id);
            assert!(seen.insert(look), "{} looks like another", strategy.id);
        }
    }

    #[test]
    fn every_colour_stands_out_from_white() {
        for color in COLORS {
            assert!(color.contrast() >= 3.0, "{:06x}: {:.2}", color.0, color.contrast());
            let ink = color.ink().contrast();
            assert!(ink >= 4.5, "{:06x}: {ink:.2}", color.0);
        }
    }

    #[test]
    fn colours_differ_with_every_common_colour_vision_deficiency() {
        // Viénot, Brettel and Mollon 1999 (protanopia, deuteranopia) on linear RGB; tritanopia
        // after Brettel, Viénot and Mollon 1997, simplified to one half-plane.
        let views: [[[f64; 3]; 3]; 4] = [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.004, -0.004, 1.0]],
            [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
            [[1.0, 0.1446, -0.1446], [0.0, 0.8592, 0.1408], [0.0, 0.8592, 0.1408]],
        ];
        for view in views {
            for (i, a) in COLORS.iter().enumerate() {
                for b in &COLORS[i + 1..] {
                    let distance = apart(seen(a.0, &view), seen(b.0, &view));
                    assert!(distance >= 15.0, "{:06x} {:06x} {distance:.1}", a.0, b.0);
                }
            }
        }
    }

    fn seen(color: u32, view: &[[f64; 3]; 3]) -> [f64; 3] {
        let rgb = Rgb(color).linear();
        view.map(|row| row.iter().zip(rgb).map(|(a, b)| a * b).sum::<f64>().clamp(0.0, 1.0))
    }

    /// CIE 1976 distance of two linear RGB colours.
    fn apart(a: [f64; 3], b: [f64; 3]) -> f64 {
        let (a, b) = (lab(a), lab(b));
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    fn lab([r, g, b]: [f64; 3]) -> [f64; 3] {
        let x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505;
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089;
        let [x, y, z] =
            [x, y, z].map(|t| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }
}
