//! The Grafana dashboard is one that Grafana shows: panels have ids of their own, a place that no other has, and units
//! that exist.

use std::collections::BTreeSet;
use std::fs;

use sekisho_tests::source::root;
use serde_json::Value;

/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;
/// Ids of units that Grafana knows, as far as we use them (packages/grafana-data/src/valueFormats/categories.ts).
const UNITS: [&str; 9] = [
    "Bps",
    "bool_on_off",
    "bool_yes_no",
    "bytes",
    "cps",
    "percentunit",
    "reqps",
    "s",
    "short",
];
/// Kinds of panels that Grafana 10 brings.
const KINDS: [&str; 6] = ["bargauge", "heatmap", "row", "stat", "table", "timeseries"];

fn dashboard() -> Value {
    let text = fs::read_to_string(root().join("contrib/grafana/sekisho.json")).expect("the dashboard");
    serde_json::from_str(&text).expect("JSON")
}

/// What is wrong with it.
fn faults(dashboard: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        let title = panel["title"].as_str().unwrap_or_default();
        let mut fault = |text: &str| faults.push(format!("{title}: {text}"));
        if title.is_empty() || !ids.insert(panel["id"].as_u64()) || panel["id"].as_u64().is_none() {
            fault("no title, or an id that another has");
        }
        let kind = panel["type"].as_str().unwrap_or_default();
        if !KINDS.contains(&kind) {
            fault("an unknown kind");
        }
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap_or(COLUMNS + 1);
        let (x, y, width, height) = (place("x"), place("y"), place("w"), place("h"));
        if x + width > COLUMNS || width == 0 || height == 0 {
            fault("outside of the grid");
        }
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            if !cells.insert(cell) {
                fault("where another is");
                break;
            }
        }
        if kind == "row" {
            continue;
        }
        let unit = panel["fieldConfig"]["defaults"]["unit"]
            .as_str()
            .unwrap_or_default();
        if !UNITS.contains(&unit) {
            fault("an unknown unit");
        }
        if panel["description"].as_str().is_none_or(str::is_empty) {
            fault("no description");
        }
        let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut names = BTreeSet::new();
        let sound = |target: &Value| {
            let source = &target["datasource"]["uid"] == "${datasource}";
            source
                && target["expr"]
                    .as_str()
                    .is_some_and(|expression| !expression.is_empty())
        };
        let named = targets
            .iter()
            .all(|target| names.insert(target["refId"].as_str()));
        if targets.is_empty() || !named || !targets.iter().all(sound) {
            fault("queries without a name, an expression or the chosen data source");
        }
    }
    faults
}

#[test]
fn the_dashboard_can_be_shown() {
    let dashboard = dashboard();
    assert_eq!(faults(&dashboard), Vec::<String>::new());
    assert!(
        dashboard["panels"]
            .as_array()
            .is_some_and(|panels| panels.len() > 40)
    );
    assert!(dashboard["id"].is_null(), "an import gives it an id");
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<&str> = variables
        .iter()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    assert_eq!(names, ["datasource", "instance", "zone"]);
    assert_eq!(variables[0]["type"], "datasource");
    let text = dashboard.to_string();
    for name in names {
        let used = text.contains(&format!("${name}")) || text.contains(&format!("${{{name}}}"));
        assert!(used, "{name} is of no use");
    }
}

#[test]
fn faults_are_found() {
    #[track_caller]
    fn check(path: &str, value: Value, expected: &str) {
        let mut dashboard = dashboard();
        *dashboard.pointer_mut(path).expect("a place") = value;
        let found = faults(&dashboard);
        assert!(found.iter().any(|fault| fault.contains(expected)), "{found:?}");
    }
    check("/panels/2/id", 2.into(), "an id that another has");
    check("/panels/2/gridPos/x", 0.into(), "where another is");
    check("/panels/2/gridPos/x", 22.into(), "outside of the grid");
    check(
        "/panels/2/fieldConfig/defaults/unit",
        "furlongs".into(),
        "an unknown unit",
    );
    check(
        "/panels/2/targets/0/datasource/uid",
        "mine".into(),
        "the chosen data source",
    );
    check("/panels/2/targets/0/expr", "".into(), "an expression");
    check("/panels/2/type", "graph".into(), "an unknown kind");
    check("/panels/2/description", "".into(), "no description");
}
