//! The directives: from nginx's configuration parser to the configuration objects.

use std::cell::Cell;
use std::ffi::{OsStr, c_char, c_void};
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::{NonNull, null_mut};

use nginx_sys::{
    NGX_LOG_EMERG, NGX_PROCESS_SIGNALLER, ngx_command_t, ngx_conf_full_name, ngx_conf_log_error, ngx_conf_t,
    ngx_http_compile_complex_value, ngx_http_compile_complex_value_t, ngx_http_complex_value_t, ngx_int_t,
    ngx_process, ngx_shared_memory_add, ngx_shm_zone_t, ngx_str_t, ngx_uint_t,
};

use super::config::{Check, LocationConf, MainConf, Setting, Use, ZoneRef};
use super::files;
use super::guard::guard;
use super::key::Key;
use super::module::ngx_http_sekisho_module;
use super::pool;
use super::shm::{ZoneData, init_zone};
use crate::bots::Bots;
use crate::conf::{self, ConfError, MAX_ZONES};
use crate::zone;

/// nginx's `NGX_CONF_ERROR`: refused, and the reason is logged.
pub const NGX_CONF_ERROR: *mut c_char = -1isize as *mut c_char;

/// Where a directive stands.
#[derive(Clone, Debug)]
pub struct Place {
    file: String,
    line: usize,
}

impl Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "in {}:{}", self.file, self.line)
    }
}

/// Why a directive is refused.
pub(super) enum Refusal {
    /// For the reason given.
    Because(String),
    /// It stands twice on one level.
    Duplicate,
    /// nginx has said why.
    Said,
}

impl From<ConfError> for Refusal {
    fn from(error: ConfError) -> Refusal {
        Refusal::Because(error.to_string())
    }
}

/// A directive being read.
pub(super) struct Directive {
    pub(super) cf: NonNull<ngx_conf_t>,
}

impl Directive {
    /// For who is called by nginx while a configuration is read, other than for a directive.
    pub(super) fn of(cf: *mut ngx_conf_t, body: impl FnOnce(&Directive)) {
        if let Some(cf) = NonNull::new(cf) {
            body(&Directive { cf });
        }
    }

    /// The words after the directive's name.
    pub(super) fn arguments(&self) -> &[ngx_str_t] {
        // SAFETY: nginx fills `args` with the words of the directive, the name first, before it calls a handler.
        let words = unsafe { (*self.cf.as_ref().args).as_slice::<ngx_str_t>() };
        words.get(1..).unwrap_or_default()
    }

    pub(super) fn words(&self) -> Vec<&[u8]> {
        self.arguments().iter().map(ngx_str_t::as_bytes).collect()
    }

    pub(super) fn place(&self) -> Place {
        // SAFETY: `conf_file` is set while a file is read, and null for -g on the command line.
        match unsafe { self.cf.as_ref().conf_file.as_ref() } {
            Some(file) => Place {
                file: file.file.name.to_string(),
                line: file.line,
            },
            None => Place {
                file: "command line".to_owned(),
                line: 0,
            },
        }
    }

    pub(super) fn refuse(&self, reason: &str) {
        self.say(NGX_LOG_EMERG as usize, reason);
    }

    /// Writes a line to the error log; nginx adds file and line.
    pub(super) fn say(&self, level: usize, reason: &str) {
        let cf = self.cf.as_ptr();
        // SAFETY: "%*s" takes a length (size_t) and that many bytes; nginx adds file and line.
        unsafe { ngx_conf_log_error(level, cf, 0, c"%*s".as_ptr(), reason.len(), reason.as_ptr()) };
    }

    fn compile_key(&self, text: &ngx_str_t) -> Result<ngx_http_complex_value_t, Refusal> {
        // SAFETY: all-zero bytes are valid for both structures: pointers, lengths and flags.
        let (mut key, mut compile) = unsafe {
            (
                std::mem::zeroed::<ngx_http_complex_value_t>(),
                std::mem::zeroed::<ngx_http_compile_complex_value_t>(),
            )
        };
        let mut text = *text;
        compile.cf = self.cf.as_ptr();
        compile.value = &mut text;
        compile.complex_value = &mut key;
        // SAFETY: nginx copies `text` (a pointer and a length) and allocates from the configuration's pool.
        match unsafe { ngx_http_compile_complex_value(&mut compile) } {
            0 => Ok(key),
            _ => Err(Refusal::Said),
        }
    }

    /// The zone of that name; size 0 when it is only referred to.
    fn zone(&self, name: &[u8], size: usize) -> Result<NonNull<ngx_shm_zone_t>, Refusal> {
        let mut name = ngx_str_t {
            len: name.len(),
            data: name.as_ptr().cast_mut(),
        };
        let tag = (&raw mut ngx_http_sekisho_module).cast::<c_void>();
        // SAFETY: the name is part of the directive's words, which live as long as the cycle.
        let zone = unsafe { ngx_shared_memory_add(self.cf.as_ptr(), &mut name, size, tag) };
        NonNull::new(zone).ok_or(Refusal::Said)
    }

    /// A path as nginx reads it: relative to its configuration directory.
    pub(super) fn path(&self, path: &ngx_str_t) -> Result<ngx_str_t, Refusal> {
        let mut path = *path;
        // SAFETY: nginx replaces the pointer by a longer string from the cycle's pool.
        match unsafe { ngx_conf_full_name(self.cf.as_ref().cycle, &mut path, 1) } {
            0 => Ok(path),
            _ => Err(Refusal::Said),
        }
    }
}

impl Directive {
    /// Where a zone's state is to be: relative to nginx's prefix, in a directory that exists.
    fn state_path(&self, main: &MainConf, path: &[u8]) -> Result<PathBuf, Refusal> {
        let mut full = ngx_str_t {
            len: path.len(),
            data: path.as_ptr().cast_mut(),
        };
        // SAFETY: nginx replaces the pointer by a longer string from the cycle's pool.
        if unsafe { ngx_conf_full_name(self.cf.as_ref().cycle, &mut full, 0) } != 0 {
            return Err(Refusal::Said);
        }
        let full = PathBuf::from(OsStr::from_bytes(full.as_bytes()));
        // SAFETY: nginx sets ngx_process from the command line, before it reads the configuration.
        if unsafe { ngx_process } == NGX_PROCESS_SIGNALLER as ngx_uint_t {
            return Ok(full);
        }
        let full = conf::settle_path(&full)?;
        match main.zones().find(|zone| zone.state.as_ref() == Some(&full)) {
            Some(zone) => Err(ConfError::StateTaken {
                path: full.display().to_string(),
                zone: zone.name.clone(),
            }
            .into()),
            None => Ok(full),
        }
    }
}

pub(super) fn read<T>(
    cf: *mut ngx_conf_t,
    target: *mut c_void,
    body: impl FnOnce(&Directive, &mut T) -> Result<(), Refusal>,
) -> *mut c_char {
    // SAFETY: nginx passes the configuration being read, and the object that our create function made for the
    // level named in the command table; nothing else holds a reference to it.
    let (Some(cf), Some(target)) = (NonNull::new(cf), unsafe { target.cast::<T>().as_mut() }) else {
        return NGX_CONF_ERROR;
    };
    let directive = Directive { cf };
    guard(
        NGX_CONF_ERROR,
        |message| directive.refuse(message),
        || match body(&directive, target) {
            Ok(()) => null_mut(),
            Err(Refusal::Because(reason)) => {
                directive.refuse(&reason);
                NGX_CONF_ERROR
            }
            Err(Refusal::Duplicate) => c"is duplicate".as_ptr().cast_mut(),
            Err(Refusal::Said) => NGX_CONF_ERROR,
        },
    )
}

/// `sekisho_zone KEY zone=NAME:SIZE [state=FILE];`
pub unsafe extern "C" fn sekisho_zone(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, main: &mut MainConf| {
        let (key_text, rest) = directive
            .arguments()
            .split_first()
            .ok_or(ConfError::MissingZone("sekisho_zone"))?;
        conf::check_key(key_text.as_bytes())?;
        let words: Vec<&[u8]> = rest.iter().map(ngx_str_t::as_bytes).collect();
        let arguments = conf::zone_arguments(key_text.as_bytes(), &words)?;
        let name = String::from_utf8_lossy(arguments.name).into_owned();
        conf::check_size(&name, arguments.size, zone::minimum_kb())?;
        let key = Key::new(directive.cf, key_text, directive.compile_key(key_text)?);
        let mut shm_zone = directive.zone(arguments.name, arguments.size)?;
        // SAFETY: nginx keeps the zone in the cycle; `data` is null or what this function put there.
        let (shm_zone, bound) = unsafe {
            let shm_zone = shm_zone.as_mut();
            let bound = shm_zone.data.cast::<ZoneData>().as_ref();
            (shm_zone, bound)
        };
        if let Some(bound) = bound {
            let reason = format!(
                "sekisho_zone \"{name}\" is already bound to key \"{}\"",
                bound.key_text
            );
            return Err(Refusal::Because(reason));
        }
        let state = arguments
            .state
            .map(|path| directive.state_path(main, path))
            .transpose()?;
        let data = ZoneData::new(name, key_text.to_string(), key, arguments.prefixes, state);
        // SAFETY: the pool is the cycle's, and so is the zone.
        let data = unsafe { pool::keep(directive.cf.as_ref().pool, data) }.ok_or(Refusal::Said)?;
        main.zones.extend(NonNull::new(data));
        shm_zone.data = data.cast();
        shm_zone.init = Some(init_zone);
        Ok(())
    })
}

/// `sekisho zone=NAME [threshold=] [suspect=] [min_requests=] | off;`
pub unsafe extern "C" fn sekisho(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, location: &mut LocationConf| {
        let words = directive.words();
        if words == [b"off"] {
            return match location.setting {
                Setting::Inherited => {
                    location.setting = Setting::Off;
                    Ok(())
                }
                _ => Err(Refusal::Duplicate),
            };
        }
        let arguments = conf::check_arguments(&words)?;
        let check = Check {
            zone: ZoneRef(directive.zone(arguments.name, 0)?),
            limits: arguments.limits,
            policy: Cell::default(),
        };
        let after = match &location.setting {
            Setting::On(checks) => checks.last().map(Check::place),
            _ => None,
        };
        match &mut location.setting {
            Setting::Inherited => location.setting = Setting::On(vec![check.clone()]),
            Setting::Off => return Err(Refusal::Duplicate),
            Setting::On(checks) if checks.iter().any(|other| other.zone == check.zone) => {
                return Err(Refusal::Duplicate);
            }
            Setting::On(checks) if checks.len() == MAX_ZONES => return Err(ConfError::TooManyZones.into()),
            Setting::On(checks) => checks.push(check.clone()),
        }
        // SAFETY: nginx made the http level's configuration before it reads any directive, and it is another
        // object than the one being filled here.
        let main = unsafe { super::module::main_conf(directive.cf) }.ok_or(Refusal::Said)?;
        main.uses.push(Use {
            check,
            place: directive.place(),
            after,
        });
        Ok(())
    })
}

/// After the whole `http` block: zones that do not exist, the models, what contradicts them.
pub(super) fn complete(main: &mut MainConf) -> Result<(), String> {
    for Use { check, place, after } in &main.uses {
        let name = check.zone.name();
        let zone = check
            .zone()
            .ok_or_else(|| format!("unknown sekisho_zone \"{name}\" {place}"))?;
        if let Some(before) = after.as_ref().and_then(ZoneRef::get)
            && let (Some(wide), Some(narrow)) = (before.prefixes, zone.prefixes)
            && wide.wider_than(narrow)
        {
            let (wide, narrow) = (before.name.clone(), name);
            return Err(format!(
                "{} {place}",
                ConfError::WideBeforeNarrow { wide, narrow }
            ));
        }
    }
    let first = main.uses.first().map(|first| first.place.clone());
    let Some(first) = first else { return Ok(()) };
    if !main.bots_said {
        main.bots = Some(Bots::bundled());
    }
    files::load_models(main, &first)
}

const _: () = assert!(nginx_sys::NGX_OK as ngx_int_t == 0);
