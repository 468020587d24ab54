//! The report as one page: no scripts, nothing from elsewhere, dark and light.

use askama::Template;

use super::ReportError;
use super::clusters::Cluster;
use super::document::Report;
use super::markdown::{bytes, headline, verdicts};
use super::span::{duration, time};
use super::spending;
use crate::figures::grouped;
use crate::plot::{FIRST, Line, Plot, SECOND, draw, steps};
use crate::registry::shelf::short;

/// Clusters in the plot of clusters: more bars would not be told apart.
const BARS: usize = 12;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    from: String,
    body: String,
}

#[derive(Template)]
#[template(path = "report_body.html")]
struct Body<'a> {
    report: &'a Report,
    span: [String; 2],
    headline: String,
    rows: Vec<[String; 3]>,
    clusters: Vec<Group<'a>>,
    plots: Vec<Picture>,
    cost: Option<[String; 3]>,
    spending: Option<String>,
    spent: Vec<[String; 8]>,
    changes: Vec<String>,
    drift: Vec<String>,
}

struct Group<'a> {
    cluster: &'a Cluster,
    clients: String,
    requests: String,
    before: String,
    verdicts: String,
    span: [String; 2],
}

struct Picture {
    title: &'static str,
    says: String,
    svg: String,
}

/// The page.
///
/// # Errors
/// [`ReportError::Page`] when a plot or the template cannot be drawn.
pub fn html(report: &Report) -> Result<String, ReportError> {
    let page = Page {
        from: time(report.period.from),
        body: body(report)?,
    };
    page.render()
        .map_err(|error| ReportError::Page(error.to_string()))
}

/// The same as a part of another page, whose style has the colours of its plots.
///
/// # Errors
/// [`ReportError::Page`] when a plot or the template cannot be drawn.
pub fn body(report: &Report) -> Result<String, ReportError> {
    let groups = report.clusters.iter().map(|cluster| Group {
        cluster,
        clients: grouped(cluster.load.clients),
        requests: grouped(cluster.load.requests),
        before: grouped(cluster.before.requests),
        verdicts: verdicts(cluster),
        span: [time(cluster.span.0), time(cluster.span.1)],
    });
    let page = Body {
        report,
        span: [time(report.period.from), time(report.period.to)],
        headline: headline(report).replace('`', ""),
        rows: rows(report),
        clusters: groups.collect(),
        plots: if report.empty { Vec::new() } else { plots(report)? },
        cost: report.cost.as_ref().map(|cost| {
            [
                grouped(cost.requests),
                bytes(cost.bytes),
                grouped(cost.rejected_requests),
            ]
        }),
        spending: (!report.language_models.spent.is_empty()).then(|| spending::sentence(report)),
        spent: report.language_models.spent.iter().map(spending::row).collect(),
        changes: changes(report),
        drift: super::markdown::drift(report)
            .iter()
            .map(|said| said.replace('`', ""))
            .collect(),
    };
    page.render()
        .map_err(|error| ReportError::Page(error.to_string()))
}

fn rows(report: &Report) -> Vec<[String; 3]> {
    let (now, before) = &report.totals;
    let row = |name: &str, now: u64, before: u64| [name.to_owned(), grouped(now), grouped(before)];
    vec![
        row("clients of which there are samples", now.clients, before.clients),
        row("their requests, at least", now.requests, before.requests),
        row("flagged clients", now.flagged, before.flagged),
        row(
            "their requests, at least",
            now.flagged_requests,
            before.flagged_requests,
        ),
        row("samples", now.samples, before.samples),
    ]
}

fn changes(report: &Report) -> Vec<String> {
    let changes = report.models.changes.iter().map(|change| {
        format!(
            "{} of {} by {} at {}: {}",
            change.action,
            short(&change.digest),
            change.actor,
            time(u32::try_from(change.at).unwrap_or_default()),
            change.note
        )
    });
    let runs = report.models.runs.iter().map(|run| {
        format!(
            "Retraining {} began at {}: {} {}",
            run.id,
            time(run.started),
            run.state.replace('_', " "),
            run.why
        )
    });
    changes.chain(runs).collect()
}

fn plots(report: &Report) -> Result<Vec<Picture>, ReportError> {
    let drawn = |plot: &Plot<'_>| draw(plot).map_err(|error| ReportError::Page(error.to_string()));
    let mut plots = vec![Picture {
        title: "Verdicts over time",
        says: format!(
            "Samples of each {}: flagged in the second colour, passed and allowed in the first.",
            duration(report.timeline.width)
        ),
        svg: drawn(&timeline(report))?,
    }];
    if !report.clusters.is_empty() {
        plots.push(Picture {
            title: "Clusters",
            says: "Requests of the busiest clusters, by the number in their name: now in the second colour, before in \
                   the first."
                .to_owned(),
            svg: drawn(&bars(report))?,
        });
    }
    Ok(plots)
}

fn timeline(report: &Report) -> Plot<'static> {
    let width = f64::from(report.timeline.width) / 3_600.0;
    let curve = |count: fn(&(u64, u64)) -> u64, color| {
        let bins = report.timeline.bins.iter().enumerate();
        let mut points: Vec<(f64, f64)> = bins
            .map(|(place, bin)| (place as f64 * width, count(bin) as f64))
            .collect();
        let end = points.last().map_or(0.0, |point| point.1);
        points.push((report.timeline.bins.len() as f64 * width, end));
        Line {
            color,
            points: steps(points),
        }
    };
    let most = report.timeline.bins.iter().map(|bin| bin.0.max(bin.1)).max();
    Plot {
        x: "hours since the beginning",
        y: "samples",
        most_x: report.timeline.bins.len() as f64 * width,
        most_y: most.unwrap_or_default().max(1) as f64,
        lines: vec![curve(|bin| bin.1, FIRST), curve(|bin| bin.0, SECOND)],
        whiskers: Vec::new(),
    }
}

fn bars(report: &Report) -> Plot<'static> {
    let shown = report.clusters.iter().take(BARS);
    let bar = |left: f64, height: u64, color| Line {
        color,
        points: vec![
            (left, 0.0),
            (left, height as f64),
            (left + 0.3, height as f64),
            (left + 0.3, 0.0),
        ],
    };
    let lines = shown.clone().enumerate().flat_map(|(place, cluster)| {
        let middle = place as f64 + 1.0;
        [
            bar(middle - 0.35, cluster.before.requests, FIRST),
            bar(middle + 0.05, cluster.load.requests, SECOND),
        ]
    });
    let most = shown
        .clone()
        .map(|cluster| cluster.load.requests.max(cluster.before.requests))
        .max();
    Plot {
        x: "cluster",
        y: "requests",
        most_x: shown.clone().count() as f64 + 1.0,
        most_y: most.unwrap_or_default().max(1) as f64,
        lines: lines.collect(),
        whiskers: Vec::new(),
    }
}
