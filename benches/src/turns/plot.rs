//! The plot of delay against false cut-offs, as SVG.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 460);
const FOOT: u32 = 26;
/// Colours that the colour-blind can tell apart.
const COLOURS: [RGBColor; 4] = [RGBColor(110, 110, 110), RGBColor(213, 94, 0), RGBColor(0, 90, 160), RGBColor(0, 140, 100)];
const GRID: RGBColor = RGBColor(225, 225, 225);

/// How much of the axes is shown: percent of pauses cut off, milliseconds.
const CUT_OFFS_MAX: f64 = 30.0;
const DELAY_MAX: f64 = 1_400.0;

/// Draws a line a sweep; points are percent and milliseconds. `foot` says what of.
pub fn draw(path: &Path, sweeps: &[(&str, Vec<(f64, f64)>)], foot: &str) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (above, below) = root.split_vertically(SIZE.1 - FOOT);
    below.draw(&Text::new(foot.to_owned(), (14, 6), ("sans-serif", 12).into_font().color(&COLOURS[0])))?;
    let mut chart = ChartBuilder::on(&above)
        .caption("End of turn: delay against false cut-offs", ("sans-serif", 18))
        .margin(12)
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(66)
        .build_cartesian_2d(0.0..CUT_OFFS_MAX, 0.0..DELAY_MAX)?;
    chart
        .configure_mesh()
        .x_desc("pauses inside turns taken for the end, %")
        .y_desc("mean delay after the last word, ms")
        .axis_desc_style(("sans-serif", 14))
        .label_style(("sans-serif", 13))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .draw()?;
    for ((name, points), colour) in sweeps.iter().zip(COLOURS) {
        let shown = points.iter().copied().filter(|(x, y)| *x <= CUT_OFFS_MAX && *y <= DELAY_MAX);
        chart
            .draw_series(LineSeries::new(shown, colour.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font(("sans-serif", 13))
        .background_style(WHITE.mix(0.85))
        .border_style(GRID)
        .draw()?;
    root.present()?;
    Ok(())
}
