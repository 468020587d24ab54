//! Who looks at a page.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use cookie::Cookie;

use super::proxy::{Told, told};
use super::refusal::Refusal;
use crate::config::now;
use crate::explain::Lang;
use crate::serve::shared::Access;
use crate::user::{Role, Token, any, find_session};

/// The cookie of a session.
pub const SESSION: &str = "sekisho_session";
/// The cookie of the language.
pub const LANGUAGE: &str = "sekisho_language";
/// The cookie of the colours.
pub const THEME: &str = "sekisho_theme";

/// Colours that somebody chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system has them.
    #[default]
    Auto,
    /// Light
    Light,
    /// Dark
    Dark,
}

/// Who looks at a page, in which language and colours. An argument of every handler of a page.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The language of the page.
    pub lang: Lang,
    /// Its colours.
    pub theme: Theme,
    /// The token that each of the page's forms carries.
    pub csrf: String,
    /// Where the request comes from.
    pub address: IpAddr,
    /// Whether cookies are for TLS only.
    pub is_https: bool,
    /// The session, where there is one of ours.
    pub session: Option<Token>,
    /// Whether anybody may read, because there are neither users nor a proxy that knows them.
    pub is_open: bool,
    user: Option<(String, Role)>,
}

impl Theme {
    /// In cookies, forms and the attribute of the page.
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// By its name; whatever else there is becomes [`Theme::Auto`].
    pub fn of(name: &str) -> Theme {
        match name {
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => Theme::Auto,
        }
    }
}

impl Viewer {
    /// Who sent a request with these headers from `peer`.
    pub async fn of(access: &Arc<Access>, headers: &HeaderMap, peer: IpAddr) -> Result<Viewer, Refusal> {
        let dashboard = &access.dashboard;
        let told = told(headers, peer, &dashboard.settings).map_err(|_| Refusal::Proxy)?;
        let has_proxy = dashboard.settings.user_header.is_some();
        let token = cookie(headers, SESSION).and_then(|text| Token::parse(&text));
        let Told {
            address,
            is_https,
            user,
        } = told;
        let (lifetime, asked) = (dashboard.lifetime(), token.clone());
        let (session, is_open) = match &user {
            Some(_) => (None, false),
            None => {
                let question = access.ask(move |store, _| {
                    let session = match asked {
                        Some(token) => find_session(store, &token, lifetime, now())?,
                        None => None,
                    };
                    Ok((session, !has_proxy && !any(store)?))
                });
                question.await?
            }
        };
        let token = token.filter(|_| session.is_some());
        let csrf = match (&user, &token) {
            (Some((name, _)), _) => dashboard.form_token(&format!("proxy {name}")),
            (None, Some(token)) => token.form_token(),
            (None, None) => dashboard.form_token("nobody"),
        };
        Ok(Viewer {
            lang: language(headers),
            theme: cookie(headers, THEME).map_or_else(Theme::default, |name| Theme::of(&name)),
            csrf,
            address,
            is_https,
            session: token,
            is_open,
            user: user.or(session.map(|session| (session.name, session.role))),
        })
    }

    /// The user's name, where somebody is logged in.
    pub fn name(&self) -> Option<&str> {
        self.user.as_ref().map(|(name, _)| name.as_str())
    }

    /// The user's role, where somebody is logged in.
    pub fn role(&self) -> Option<Role> {
        self.user.as_ref().map(|(_, role)| *role)
    }

    /// Whether pages may be read.
    pub fn reads(&self) -> bool {
        self.is_open || self.user.is_some()
    }

    /// Whether what asks for this role may be done; buttons of what may not are left out of pages.
    pub fn may(&self, role: Role) -> bool {
        self.role().is_some_and(|own| own >= role)
    }

    /// The name under which something is changed.
    ///
    /// # Errors
    /// [`Refusal::Role`] for whoever has no such role.
    pub fn acts(&self, role: Role) -> Result<&str, Refusal> {
        self.user
            .as_ref()
            .filter(|(_, own)| *own >= role)
            .map(|(name, _)| name.as_str())
            .ok_or(Refusal::Role(role))
    }
}

impl FromRequestParts<Arc<Access>> for Viewer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Access>) -> Result<Viewer, Refusal> {
        // The door puts it there for every page.
        parts.extensions.get().cloned().ok_or(Refusal::Broken)
    }
}

/// The language of the cookie, else the first of `Accept-Language` that we speak, by its weight.
pub fn language(headers: &HeaderMap) -> Lang {
    if let Some(chosen) = cookie(headers, LANGUAGE).and_then(|name| speak(&name)) {
        return chosen;
    }
    let accepted = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|accepted| accepted.to_str().ok())
        .unwrap_or_default();
    let mut best = (0.0, Lang::En);
    for part in accepted.split(',') {
        let mut parts = part.split(';').map(str::trim);
        let lang = parts.next().and_then(speak);
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f64>().ok());
        let weight = weight.unwrap_or(1.0);
        if let Some(lang) = lang.filter(|_| weight > best.0) {
            best = (weight, lang);
        }
    }
    best.1
}

fn speak(tag: &str) -> Option<Lang> {
    match tag.split('-').next()?.to_ascii_lowercase().as_str() {
        "en" => Some(Lang::En),
        "ja" => Some(Lang::Ja),
        _ => None,
    }
}

/// The value of a cookie.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    let mut cookies = texts.flat_map(|text| Cookie::split_parse(text.to_owned()).flatten());
    cookies
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_chosen_or_that_of_the_browser() {
        #[track_caller]
        fn check(cookie: &str, accepted: &str, expected: Lang) {
            let headers = HeaderMap::from_iter([
                (header::COOKIE, cookie.parse().unwrap()),
                (header::ACCEPT_LANGUAGE, accepted.parse().unwrap()),
            ]);
            assert_eq!(language(&headers), expected, "{cookie} {accepted}");
        }
        check("", "", Lang::En);
        check("", "ja", Lang::Ja);
        check("", "ja-JP,ja;q=0.9,en;q=0.8", Lang::Ja);
        check("", "en-GB,en;q=0.9,ja;q=0.8", Lang::En);
        check("", "fr, ja;q=0.5, en;q=0.4", Lang::Ja);
        check("", "fr", Lang::En);
        check("", "ja;q=0", Lang::En);
        check("a=b; sekisho_language=ja", "en", Lang::Ja);
        check("sekisho_language=xx", "ja", Lang::Ja);
    }
}
