//! Plots as SVG files.

use std::path::Path;

use anyhow::Context;
use plotters::prelude::*;

/// Size of a plot, pixels.
const SIZE: (u32, u32) = (900, 420);
/// Height of the line at the foot that says where and when it was measured.
const FOOT: u32 = 26;
/// Colours that the colour-blind can tell apart, darkest first.
const COLOURS: [RGBColor; 4] = [RGBColor(0, 90, 160), RGBColor(213, 94, 0), RGBColor(0, 140, 100), RGBColor(150, 60, 150)];
const GRID: RGBColor = RGBColor(225, 225, 225);
const DIM: RGBColor = RGBColor(110, 110, 110);

/// One plot: lines over a common axis.
#[derive(Debug)]
pub(super) struct Plot {
    pub title: String,
    /// What the axes are, with their units.
    pub axes: [&'static str; 2],
    pub series: Vec<Series>,
    /// Mark each point: for a few of them that were measured one by one.
    pub dots: bool,
}

#[derive(Debug)]
pub(super) struct Series {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

impl Plot {
    /// Whether there is anything to see.
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.points.len() < 2)
    }

    /// Writes the file; `foot` says where and when.
    pub(super) fn write(&self, path: &Path, foot: &str) -> anyhow::Result<()> {
        self.draw(path, foot).with_context(|| format!("cannot draw {}", path.display()))
    }

    fn draw(&self, path: &Path, foot: &str) -> anyhow::Result<()> {
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (above, below) = root.split_vertically(SIZE.1 - FOOT);
        below.draw(&Text::new(foot.to_owned(), (14, 6), ("sans-serif", 12).into_font().color(&DIM)))?;
        let points = self.series.iter().flat_map(|series| &series.points);
        let ends = points.fold([(f64::MAX, f64::MIN), (0.0, f64::MIN)], |[x, y], point| {
            [(x.0.min(point.0), x.1.max(point.0)), (y.0.min(point.1), y.1.max(point.1))]
        });
        let [(left, right), (bottom, top)] = ends;
        // Room above for the legend, and a line that is zero all along still needs a height.
        let room = if self.series.len() > 1 { 0.1 + 0.08 * self.series.len() as f64 } else { 0.08 };
        let top = if top > bottom { top + (top - bottom) * room } else { bottom + 1.0 };
        let mut chart = ChartBuilder::on(&above)
            .caption(&self.title, ("sans-serif", 18))
            .margin(12)
            .margin_right(28)
            .x_label_area_size(44)
            .y_label_area_size(66)
            .build_cartesian_2d(left..right.max(left + 1e-9), bottom..top)?;
        chart
            .configure_mesh()
            .x_desc(self.axes[0])
            .y_desc(self.axes[1])
            .axis_desc_style(("sans-serif", 14))
            .label_style(("sans-serif", 13))
            .x_label_formatter(&|x| number(*x))
            .y_label_formatter(&|y| number(*y))
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .draw()?;
        for (series, colour) in self.series.iter().zip(COLOURS).filter(|(series, _)| !series.points.is_empty()) {
            chart
                .draw_series(LineSeries::new(series.points.iter().copied(), colour.stroke_width(2)))?
                .label(series.name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
            if self.dots {
                chart.draw_series(series.points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
            }
        }
        if self.series.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .label_font(("sans-serif", 13))
                .background_style(WHITE.mix(0.85))
                .border_style(GRID)
                .draw()?;
        }
        root.present()?;
        Ok(())
    }
}

/// A tick's number: as many digits as it needs.
fn number(value: f64) -> String {
    let digits = if value.abs() >= 100.0 || value.fract().abs() < 1e-9 { 0 } else { 3 };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plot(points: &[(f64, f64)]) -> Plot {
        let series = |name| Series { name, points: points.to_vec() };
        let axes = ["time, s", "delay, ms"];
        Plot { title: "Delay <over> time".to_owned(), axes, series: vec![series("one"), series("other")], dots: true }
    }

    #[test]
    fn a_plot_says_what_it_shows() {
        let path = std::env::temp_dir().join(format!("load-tests-plot-{}.svg", std::process::id()));
        plot(&[(0.0, 1.0), (10.0, 250.5)]).write(&path, "here, today").unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for text in ["Delay &lt;over&gt; time", "time, s", "delay, ms", "here, today", "one", "other", "polyline", "circle"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }

    #[test]
    fn one_point_is_no_plot() {
        assert!(plot(&[(0.0, 1.0)]).is_empty() && !plot(&[(0.0, 1.0), (1.0, 1.0)]).is_empty());
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!([0.0, 0.25, 12.5, 130.0, 0.0004].map(number), ["0", "0.25", "12.5", "130", "0"]);
    }
}
