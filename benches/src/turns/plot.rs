//! The plot of delay against false cut-offs, as SVG.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const SIZE: (u32, u32) = (900, 460);
const FOOT: u32 = 26;
/// Colours that the colour-blind can tell apart.
const COLOURS: [RGBColor; 4] = [RGBColor(110, 110, 110), RGBColor(213, 94, 0), RGBColor(0, 90, 160), RGBColor(0, 140, 100)];
const GRID: RGBColor = RGBColor(225, 225, 225);

/// How much of the axes is shown: percent of pauses cut off, milliseconds.
const CUT_OFFS_MAX: f64 = 30.0;
const DELAY_MAX: f64 = 1_400.0;

/// Lines whose words stand below them, since another is close above.
const BELOW: [bool; 4] = [false, false, true, false];

/// One detector.
pub struct Line {
    pub name: &'static str,
    /// Percent and milliseconds, from left to right.
    pub points: Vec<(f64, f64)>,
    /// The points that the table has.
    pub marks: Vec<(f64, f64)>,
}

/// Draws the lines. `foot` says what of.
pub fn draw(path: &Path, lines: &[Line], foot: &str) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (above, below) = root.split_vertically(SIZE.1 - FOOT);
    below.draw(&Text::new(foot.to_owned(), (14, 6), ("sans-serif", 14).into_font().color(&COLOURS[0])))?;
    let mut chart = ChartBuilder::on(&above)
        .caption("End of turn: delay against false cut-offs", ("sans-serif", 20))
        .margin(12)
        .margin_right(28)
        .x_label_area_size(46)
        .y_label_area_size(66)
        .build_cartesian_2d(0.0..CUT_OFFS_MAX, 0.0..DELAY_MAX)?;
    chart
        .configure_mesh()
        .x_desc("pauses inside turns taken for the end, %")
        .y_desc("mean delay after the last word, ms")
        .axis_desc_style(("sans-serif", 16))
        .label_style(("sans-serif", 14))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .draw()?;
    for ((line, colour), below) in lines.iter().zip(COLOURS).zip(BELOW) {
        let shown: Vec<(f64, f64)> = line.points.iter().copied().filter(|(x, y)| *x <= CUT_OFFS_MAX && *y <= DELAY_MAX).collect();
        let (side, down) = if below { (VPos::Top, 1) } else { (VPos::Bottom, -1) };
        let style = |size: u32, to: HPos| ("sans-serif", size).into_font().color(&colour).pos(Pos::new(to, side));
        if let Some(&end) = shown.last() {
            let name = Text::new(line.name, (0, 6 * down), style(15, HPos::Right));
            chart.draw_series([EmptyElement::at(end) + name])?;
        }
        chart.draw_series(LineSeries::new(shown, colour.stroke_width(2)))?;
        chart.draw_series(line.marks.iter().map(|&mark| {
            let value = Text::new(format!("{:.0}", mark.1), (6, 4 * down), style(14, HPos::Left));
            EmptyElement::at(mark) + Circle::new((0, 0), 4, colour.filled()) + value
        }))?;
    }
    root.present()?;
    Ok(())
}
