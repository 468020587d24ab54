//! nginx's decision log: one JSON object a request, written by the `sekisho_json` log_format of
//! contrib/demo/nginx.conf.

use std::borrow::Cow;

use serde::Deserialize;

/// One request and what was concluded about it. All values come as text; what nginx had no value for is
/// empty. Everything but `verdict`, `score` and `reasons` is the client's text, or the log's.
#[derive(Debug, Deserialize)]
pub struct Decision<'a> {
    /// The client's address.
    #[serde(borrow)]
    pub client: Cow<'a, str>,
    /// The raw request target.
    #[serde(borrow)]
    pub target: Cow<'a, str>,
    /// `$sekisho_status`; empty when the checkpoint did not see the request.
    #[serde(borrow)]
    pub verdict: Cow<'a, str>,
    /// `$sekisho_score`.
    #[serde(borrow)]
    pub score: Cow<'a, str>,
    /// `$sekisho_reason`: names of features, separated by commas.
    #[serde(borrow)]
    pub reasons: Cow<'a, str>,
    /// The referer.
    #[serde(borrow)]
    pub referer: Cow<'a, str>,
    /// The user agent.
    #[serde(borrow)]
    pub user_agent: Cow<'a, str>,
}

impl Decision<'_> {
    /// Whether the request was stopped; with dry run, whether it would have been.
    pub fn stopped(&self) -> bool {
        matches!(&*self.verdict, "REJECTED" | "REJECTED_DRY_RUN")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_decision_log() {
        let line = r#"{"time":"20/Feb/2016:05:00:45 +0000","client":"192.0.2.7","target":"/a\"b","status":"403","verdict":"REJECTED","score":"0.97","reasons":"head_share","id":"00","referer":"","user_agent":"x\u001b[31m"}"#;
        let decision: Decision<'_> = serde_json::from_str(line).unwrap();
        assert!(decision.stopped());
        assert_eq!(
            (&*decision.target, &*decision.user_agent),
            ("/a\"b", "x\u{1b}[31m")
        );
    }

    #[test]
    fn verdicts() {
        #[track_caller]
        fn check(verdict: &str, expected: bool) {
            let line = format!(
                r#"{{"client":"","target":"","verdict":"{verdict}","score":"","reasons":"","referer":"","user_agent":""}}"#
            );
            assert_eq!(
                serde_json::from_str::<Decision<'_>>(&line).unwrap().stopped(),
                expected,
                "{verdict}"
            );
        }
        check("REJECTED", true);
        check("REJECTED_DRY_RUN", true);
        check("SUSPECT", false);
        check("", false);
    }
}
