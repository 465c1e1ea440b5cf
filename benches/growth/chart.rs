//! What was measured as a picture: three charts beside each other, both axes logarithmic, so that what is flat is a level line.

use std::fmt::Write;

use super::sessions::SessionCost;
use super::traces::TraceCost;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 300.0;
/// Around the plot: above the title, left the labels of the axis, below those of the other one and the names.
const LEFT: f64 = 48.0;
const TOP: f64 = 44.0;
const PLOT_WIDTH: f64 = WIDTH - LEFT - 24.0;
const PLOT_HEIGHT: f64 = 160.0;
const COLOURS: [&str; 5] = ["#3b6fd4", "#d4663b", "#2f9e62", "#9350c8", "#8a8a8a"];

struct Chart<'a> {
    title: &'a str,
    x: &'a str,
    lines: Vec<Line>,
}

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

pub fn draw(traces: &[TraceCost], sessions: &[SessionCost]) -> String {
    let of_traces = |name: &str, value: fn(&TraceCost) -> f64| Line {
        name: name.into(),
        points: traces.iter().map(|cost| (cost.spans as f64, value(cost))).collect(),
    };
    let of_sessions = |name: &str, value: &dyn Fn(&SessionCost) -> Option<f64>| {
        let points = sessions.iter().filter_map(|cost| Some((cost.sessions as f64, value(cost)?))).collect();
        Line { name: name.into(), points }
    };
    let query = |name: &'static str| {
        of_sessions(name, &move |cost| cost.queries.iter().find(|query| query.name == name).map(|query| query.cpu * 1e3))
    };
    let charts = [
        Chart {
            title: "CPU of a span, \u{b5}s",
            x: "spans of its trace",
            lines: vec![of_traces("fold", |cost| cost.fold), of_traces("with journal and checkpoint", |cost| cost.all)],
        },
        Chart {
            title: "CPU of a run, \u{b5}s",
            x: "sessions in the index",
            lines: vec![
                of_sessions("of a new session", &|cost| Some(cost.new)),
                of_sessions("of a known session", &|cost| Some(cost.known)),
            ],
        },
        Chart {
            title: "CPU of a query, \u{b5}s",
            x: "sessions in the index",
            lines: ["first page", "search, 3 characters", "one agent, in its middle", "one session with its runs", "users"]
                .map(query)
                .into(),
        },
    ];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {HEIGHT}\" font-family=\"system-ui, sans-serif\" font-size=\"11\">\n\
         <style>text {{ fill: #333 }} .grid {{ stroke: #8884 }} rect {{ fill: #fff }}\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} rect {{ fill: #16181d }} }}</style>\n\
         <rect width=\"100%\" height=\"100%\"/>\n",
        WIDTH * charts.len() as f64
    );
    for (nth, chart) in charts.iter().enumerate() {
        let _ = writeln!(svg, "<g transform=\"translate({} 0)\">", WIDTH * nth as f64);
        chart.draw(&mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

// === impl Chart ===

impl Chart<'_> {
    fn draw(&self, svg: &mut String) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (x_min, x_max) = bounds(points().map(|point| point.0));
        let (y_min, y_max) = decades(points().map(|point| point.1));
        let x = |value: f64| LEFT + PLOT_WIDTH * part(value, x_min, x_max);
        let y = |value: f64| TOP + PLOT_HEIGHT * (1.0 - part(value, y_min, y_max));
        let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"22\" font-size=\"14\" font-weight=\"600\">{}</text>", self.title);
        let mut decade = y_min;
        while decade <= y_max * 1.01 {
            let at = y(decade);
            let _ = writeln!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>", LEFT + PLOT_WIDTH);
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 6.0, at + 4.0, short(decade));
            decade *= 10.0;
        }
        let mut ticks: Vec<f64> = points().map(|point| point.0).collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        for tick in ticks {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x(tick),
                TOP + PLOT_HEIGHT + 16.0,
                short(tick)
            );
        }
        let _ = writeln!(svg, "<text x=\"{}\" y=\"22\" text-anchor=\"end\">by {}</text>", LEFT + PLOT_WIDTH, self.x);
        for (nth, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[nth % COLOURS.len()];
            let path: Vec<String> = line.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
            let _ = writeln!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>", path.join(" "));
            for (at, value) in &line.points {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"><title>{value:.1}</title></circle>",
                    x(*at),
                    y(*value)
                );
            }
            let values: Vec<String> = line.points.iter().map(|(_, value)| rounded(*value)).collect();
            let at = TOP + PLOT_HEIGHT + 34.0 + 14.0 * nth as f64;
            let _ = writeln!(svg, "<circle cx=\"{}\" cy=\"{}\" r=\"4\" fill=\"{colour}\"/>", LEFT + 4.0, at - 4.0);
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{at}\">{}: {}</text>", LEFT + 14.0, line.name, values.join(", "));
        }
    }
}

/// Where on a logarithmic axis from 0 to 1.
fn part(value: f64, min: f64, max: f64) -> f64 {
    if max > min { (value / min).ln() / (max / min).ln() } else { 0.5 }
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(min, max), value| (value.min(min), value.max(max)))
}

/// The powers of ten around all of the values.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (min, max) = bounds(values);
    (10_f64.powf(min.max(0.1).log10().floor()), 10_f64.powf(max.max(1.0).log10().ceil()))
}

fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e3 => format!("{}k", value / 1e3),
        value => format!("{value}"),
    }
}

fn rounded(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}
