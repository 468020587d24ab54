//! The directives that name files, and what is done with these files when the configuration is whole.

use std::ffi::{c_char, c_void};
use std::ptr::NonNull;

use nginx_sys::{ngx_command_t, ngx_conf_open_file, ngx_conf_t, ngx_log_t, ngx_open_file_t, ngx_str_t};

use super::config::{MainConf, SampleFile};
use super::directives::{Place, Refusal, read};
use super::process;
use crate::files::{self, FileError};
use crate::models::Role;
use crate::samples::{self, SampleLog};
use crate::scorer::Thresholds;

/// `sekisho_model` as it was written.
pub(super) struct ModelFiles {
    champion: Option<String>,
    challenger: Option<String>,
    place: Place,
}

impl From<FileError> for Refusal {
    fn from(error: FileError) -> Refusal {
        Refusal::Because(error.to_string())
    }
}

fn text(bytes: &[u8]) -> ngx_str_t {
    ngx_str_t {
        len: bytes.len(),
        data: bytes.as_ptr().cast_mut(),
    }
}

/// `sekisho_model [FILE] [challenger=FILE];`
pub unsafe extern "C" fn sekisho_model(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, main: &mut MainConf| {
        if main.model_files.is_some() {
            return Err(Refusal::Duplicate);
        }
        let words = directive.words();
        let arguments = files::model_arguments(&words)?;
        let path = |bytes: Option<&[u8]>| match bytes {
            Some(bytes) => directive.path(&text(bytes)).map(|path| Some(path.to_string())),
            None => Ok(None),
        };
        main.model_files = Some(ModelFiles {
            champion: path(arguments.champion)?,
            challenger: path(arguments.challenger)?,
            place: directive.place(),
        });
        Ok(())
    })
}

/// `sekisho_samples FILE [contrast=SHARE];`
pub unsafe extern "C" fn sekisho_samples(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, main: &mut MainConf| {
        if main.samples.is_some() {
            return Err(Refusal::Duplicate);
        }
        let words = directive.words();
        let arguments = files::sample_arguments(&words)?;
        let mut path = text(arguments.file);
        // SAFETY: nginx copies the name into the cycle's pool and opens the file, to append, with the rest.
        let file = unsafe { ngx_conf_open_file(directive.cf.as_ref().cycle, &mut path) };
        let mut file = NonNull::new(file).ok_or(Refusal::Said)?;
        // SAFETY: nginx keeps the entry as long as the cycle. An access log that shares the file has a buffer of
        // its own there, and keeps it.
        let name = unsafe {
            let file = file.as_mut();
            if file.flush.is_none() && file.data.is_null() {
                file.flush = Some(before_reopening);
            }
            file.name.to_string()
        };
        main.samples = Some(SampleLog::new(SampleFile(file), name, arguments.contrast));
        Ok(())
    })
}

/// nginx is about to open the file anew, on USR1: what waits belongs to the old one.
unsafe extern "C" fn before_reopening(_file: *mut ngx_open_file_t, _log: *mut ngx_log_t) {
    process::in_worker(|main, _| samples::flush(main));
}

/// Loads the models, and refuses what contradicts them. `first` is where the module is first used.
pub(super) fn load_models(main: &mut MainConf, first: &Place) -> Result<(), String> {
    let (champion, challenger, place) = match &main.model_files {
        Some(files) => (
            files.champion.as_deref(),
            files.challenger.as_deref(),
            &files.place,
        ),
        None => (None, None, first),
    };
    let models = &mut main.models;
    models
        .load(Role::Champion, champion)
        .map_err(|error| match champion {
            Some(path) => format!("sekisho_model \"{path}\": {error} {place}"),
            None => format!("{error} {place}"),
        })?;
    if let Some(path) = challenger {
        let refused = |error| format!("sekisho_model \"challenger={path}\": {error} {place}");
        models.load(Role::Challenger, Some(path)).map_err(refused)?;
    }
    for scorer in [models.champion(), models.challenger()].into_iter().flatten() {
        main.fits(scorer.thresholds())?;
    }
    Ok(())
}

impl MainConf {
    /// Refuses a model under which some location's limits contradict each other.
    pub fn fits(&self, thresholds: Thresholds) -> Result<(), String> {
        self.uses.iter().try_for_each(|used| {
            let checked = crate::conf::check_limits(&used.check.limits, Some(thresholds));
            checked.map_err(|error| format!("{error} of the model {}", used.place))
        })
    }
}
