//! The frame of every page, and how texts, numbers and times are shown in it.

use askama::Template;
use askama::filters::Safe;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::assets;
use super::refusal::Refusal;
use super::viewer::{Theme, Viewer};
use super::words::Shell;
use crate::explain::Lang;
use crate::figures::grouped;
use crate::user::Role;

/// The type of every page.
const HTML: &str = "text/html; charset=utf-8";

/// Where in the navigation a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// What happens now.
    Now,
    /// Clients, and each one.
    Clients,
    /// Networks and swarms.
    Groups,
    /// Explanations and reports.
    Explanations,
    /// Models, retraining, audit log.
    Models,
    /// Language models.
    LanguageModels,
    /// By reference.
    LookUp,
    /// Users.
    Users,
    /// Log-in and errors.
    Elsewhere,
}

/// What the base template shows around a page: the field `frame` of each page's template.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Title of the page, in the viewer's language.
    pub title: String,
    /// Where it is.
    pub place: Place,
    /// Its language.
    pub lang: Lang,
    /// The words around it.
    pub words: &'static Shell,
    /// Its colours.
    pub theme: Theme,
    /// For every form.
    pub csrf: String,
    /// Who is logged in.
    pub user: Option<(String, Role)>,
    /// Whether there is a session that can be ended.
    pub has_session: bool,
    /// Whether everybody reads.
    pub is_open: bool,
    /// Whether pages can be gone to.
    pub reads: bool,
}

impl Frame {
    /// The frame of a page.
    pub fn new(viewer: &Viewer, place: Place, title: impl Into<String>) -> Frame {
        Frame {
            title: title.into(),
            place,
            lang: viewer.lang,
            words: Shell::of(viewer.lang),
            theme: viewer.theme,
            csrf: viewer.csrf.clone(),
            user: viewer.name().map(str::to_owned).zip(viewer.role()),
            has_session: viewer.session.is_some(),
            is_open: viewer.is_open,
            reads: viewer.reads(),
        }
    }

    /// The `lang` of the page.
    pub fn language(&self) -> &'static str {
        match self.lang {
            Lang::En => "en",
            Lang::Ja => "ja",
        }
    }

    /// The path of a file of `trainer/assets`.
    pub fn asset(&self, name: &str) -> String {
        assets::path(name)
    }

    /// The navigation: path, words, whether the page is there.
    pub fn navigation(&self) -> Vec<(&'static str, &'static str, bool)> {
        let words = self.words;
        let places = [
            ("/", words.now, Place::Now),
            ("/clients", words.clients, Place::Clients),
            ("/groups", words.groups, Place::Groups),
            ("/explanations", words.explanations, Place::Explanations),
            ("/models", words.models, Place::Models),
            ("/language-models", words.language_models, Place::LanguageModels),
            ("/look-up", words.look_up, Place::LookUp),
            ("/users", words.users, Place::Users),
        ];
        let sees_users = self
            .user
            .as_ref()
            .is_some_and(|(_, role)| *role == Role::Approver);
        places
            .into_iter()
            .filter(|(_, _, place)| *place != Place::Users || sees_users)
            .map(|(path, word, place)| (path, word, place == self.place))
            .collect()
    }

    /// A time, Unix seconds: in UTC, which a script turns into the viewer's zone.
    pub fn time(&self, at: impl Figure) -> Safe<String> {
        let time = Timestamp::from_second(at.value() as i64).unwrap_or_default();
        let (machine, person) = (time.strftime("%FT%TZ"), time.strftime("%F %R UTC"));
        Safe(format!("<time datetime=\"{machine}\">{person}</time>"))
    }

    /// A count, its thousands apart.
    pub fn number(&self, number: impl Figure) -> String {
        grouped(number.value() as u64)
    }

    /// A share, 0 to 1, in percent.
    pub fn percent(&self, share: impl Figure) -> String {
        let percent = share.value() * 100.0;
        let digits = if percent >= 10.0 || percent == 0.0 { 0 } else { 1 };
        format!("{percent:.digits$} %")
    }

    /// Bytes, by thousands.
    pub fn bytes(&self, bytes: impl Figure) -> String {
        let units = ["B", "kB", "MB", "GB", "TB"];
        let mut value = bytes.value();
        let mut unit = 0;
        while value >= 1000.0 && unit + 1 < units.len() {
            value /= 1000.0;
            unit += 1;
        }
        let digits = usize::from(unit > 0 && value < 10.0);
        format!("{value:.digits$} {}", units[unit])
    }

    /// A score, 0 to 1, as a chip whose colour says how high it is; a dash without one.
    pub fn score(&self, score: &Option<f64>) -> Safe<String> {
        Safe(match score {
            None => "<span class=\"score\">–</span>".to_owned(),
            Some(score) => {
                let tenth = (score * 10.0).floor().clamp(0.0, 9.0);
                format!("<span class=\"score s{tenth:.0}\">{score:.2}</span>")
            }
        })
    }

    /// A verdict as a chip: its word as nginx has it, and a colour for those that we know.
    pub fn verdict(&self, verdict: &str) -> Safe<String> {
        let known = [
            "PASSED",
            "SUSPECT",
            "REJECTED",
            "REJECTED_DRY_RUN",
            "ALLOWED",
            "TRAPPED",
        ];
        let class = known.iter().find(|known| **known == verdict).map_or_else(
            || "other".to_owned(),
            |known| known.to_lowercase().replace('_', "-"),
        );
        let Ok(shown) = askama::filters::escape(verdict, askama::filters::Html);
        Safe(format!("<span class=\"verdict v-{class}\">{shown}</span>"))
    }

    /// The word for a role.
    pub fn role(&self, role: &Role) -> &'static str {
        self.words.role(*role)
    }
}

/// A number that a page shows, by value or as templates have it. Counts are exact to 2^53.
pub trait Figure {
    /// The number.
    fn value(&self) -> f64;
}

impl<T: Figure + ?Sized> Figure for &T {
    fn value(&self) -> f64 {
        (**self).value()
    }
}

macro_rules! figures {
    ($($kind:ty)*) => {
        $(impl Figure for $kind {
            fn value(&self) -> f64 {
                *self as f64
            }
        })*
    };
}
figures!(u8 u16 u32 u64 usize i64 f32 f64);

/// A page as an answer.
///
/// # Errors
/// The template cannot be written.
pub fn page(template: &impl Template) -> Result<Response, Refusal> {
    let html = template.render()?;
    Ok(([(header::CONTENT_TYPE, HTML)], html).into_response())
}

#[derive(Template)]
#[template(path = "pages/error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    heading: &'a str,
    text: &'a str,
    form: Option<String>,
}

#[derive(Template)]
#[template(path = "pages/fault.html")]
struct Fault<'a> {
    heading: &'a str,
    text: &'a str,
}

/// A page that asks for itself again.
pub fn once_more() -> Response {
    let html = "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0\"><title>Sekisho</title>";
    ([(header::CONTENT_TYPE, HTML)], html).into_response()
}

/// An error in the layout of every page; `form` is the page whose form was sent.
pub fn error_page(viewer: &Viewer, (heading, text): (&str, &str), form: Option<String>) -> Response {
    let template = ErrorPage {
        frame: Frame::new(viewer, Place::Elsewhere, heading),
        heading,
        text,
        form,
    };
    page(&template).unwrap_or_else(|_| text.to_owned().into_response())
}

/// An error for a part of a page, or where there is nobody to make a page for.
pub fn fragment(heading: &str, text: &str) -> Response {
    page(&Fault { heading, text }).unwrap_or_else(|_| text.to_owned().into_response())
}
