//! What was found of a challenger, in the viewer's language.

use serde_json::Value;

use super::{Models, fill};
use crate::figures::grouped;
use crate::retrain::Gate;

/// A gate as a row.
#[derive(Debug, PartialEq)]
pub struct GateRow {
    /// Whether it is open.
    pub open: bool,
    /// What it asks for.
    pub asks: String,
    /// The limit's name in the configuration.
    pub name: String,
    /// The limit.
    pub limit: String,
    /// What was measured, where it was.
    pub measured: Option<String>,
}

/// Gates as rows. What an earlier version kept has its sentence alone.
pub fn gates(gates: &[Gate], words: &Models) -> Vec<GateRow> {
    let row = |gate: &Gate| match &gate.asked {
        Some(asked) if !words.gate_of(&asked.gate).is_empty() => GateRow {
            open: gate.open,
            asks: words.gate_of(&asked.gate).to_owned(),
            name: asked.gate.clone(),
            limit: short(asked.limit),
            measured: asked.measured.map(short),
        },
        _ => GateRow {
            open: gate.open,
            asks: gate.text.clone(),
            name: String::new(),
            limit: String::new(),
            measured: Some(String::new()),
        },
    };
    gates.iter().map(row).collect()
}

/// Differences of short decimals are no short decimals.
fn short(number: f64) -> String {
    ((number * 1e6).round() / 1e6).to_string()
}

/// Who would be stopped and who released; `None` where the evaluation does not tell.
pub fn change(evaluation: Option<&Value>, words: &Models) -> Option<String> {
    let change = evaluation?.get("change")?;
    let figure = |who: &str, what: &str| change.get(who)?.get(what)?.as_f64();
    let count = |who: &str, what: &str| Some(grouped(figure(who, what)?.round() as u64));
    let load = |who: &str| Some(format!("{:.2} %", figure(who, "load")? * 100.0));
    let (new, released) = ("newly_stopped", "released");
    let moved = [
        count(new, "clients")?,
        load(new)?,
        count(released, "clients")?,
        load(released)?,
    ];
    let orders = match change.get("orders_known")?.as_bool()? {
        true => fill(words.change_completed, &[&count(new, "completed")?]),
        false => words.change_no_orders.to_owned(),
    };
    let labels = [count(new, "humans")?, count(released, "crawlers")?];
    let sentences = [
        fill(words.change, &moved.each_ref().map(String::as_str)),
        orders,
        fill(words.change_labels, &labels.each_ref().map(String::as_str)),
    ];
    Some(sentences.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::explain::Lang;
    use crate::registry::gates::GateResult;

    #[test]
    fn gates_are_told_in_both_languages() {
        let result = GateResult {
            gate: "max_auc_loss",
            measured: Some(0.95 - 0.945),
            limit: 0.005,
            passed: true,
        };
        let new = Gate::from(&result);
        let old = Gate {
            asked: None,
            ..new.clone()
        };
        let rows = |lang| gates(&[new.clone(), old.clone()], Models::of(lang));
        let english = rows(Lang::En);
        assert_eq!(english[0].asks, "AUC below the champion's: at most");
        assert_eq!(
            (english[0].limit.as_str(), english[0].measured.as_deref()),
            ("0.005", Some("0.005"))
        );
        assert_eq!(english[1].asks, "max_auc_loss is 0.005, measured 0.005");
        assert_eq!(rows(Lang::Ja)[0].asks, "チャンピオンより低い AUC: 以下");
    }

    #[test]
    fn every_limit_has_words() {
        let limits = serde_json::to_value(crate::registry::gates::Gates {
            max_newly_stopped: Some(1),
            max_released: Some(1),
            ..Default::default()
        })
        .unwrap();
        for name in limits
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| !name.starts_with("require_"))
        {
            assert!(!Models::of(Lang::En).gate_of(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_change_is_told_where_it_is_known() {
        let moved = |clients: f64| json!({"clients": clients, "load": 0.0123, "humans": 0.0, "crawlers": 3.0, "completed": 1.0});
        let evaluation =
            json!({"change": {"newly_stopped": moved(1234.4), "released": moved(2.0), "orders_known": true}});
        let told = |lang| change(Some(&evaluation), Models::of(lang));
        assert_eq!(
            told(Lang::En).unwrap(),
            "In the backtest this model would newly stop 1,234 clients (1.23 % of load) and release 2 (1.23 % of load). Of the \
             newly stopped, completed an order: 1. Of the newly stopped, labelled human: 0; of the released, labelled crawler: 3."
        );
        assert!(told(Lang::Ja).unwrap().starts_with("バックテストでは、"));
        for other in [json!({}), json!({"change": {}}), json!({"change": 7})] {
            assert_eq!(change(Some(&other), Models::of(Lang::En)), None);
        }
        assert_eq!(change(None, Models::of(Lang::En)), None);
    }
}
