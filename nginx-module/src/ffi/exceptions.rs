//! The directives that say what is done about a verdict, and about whom nothing is done.

use std::ffi::{c_char, c_void};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nginx_sys::{NGX_LOG_EMERG, NGX_LOG_WARN, ngx_command_t, ngx_conf_t, ngx_str_t};

use super::config::{LocationConf, MainConf, Mark};
use super::directives::{Directive, Refusal, read};
use crate::allow::AllowList;
use crate::bots::Bots;
use crate::conf::{self, DEFAULT_IMMUNITY, DEFAULT_TRAP_BAN};
use crate::reaction::Reaction;

fn set_reaction(directive: &Directive, slot: &mut Option<Reaction>) -> Result<(), Refusal> {
    let reaction = conf::reaction(&directive.words())?;
    match slot.replace(reaction) {
        None => Ok(()),
        Some(_) => Err(Refusal::Duplicate),
    }
}

/// `sekisho_suspect log | status=CODE | [delay=TIME] [tag];`
pub unsafe extern "C" fn sekisho_suspect(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, location: &mut LocationConf| {
        set_reaction(directive, &mut location.suspect)
    })
}

/// `sekisho_rejected log | status=CODE | [delay=TIME] [tag];`
pub unsafe extern "C" fn sekisho_rejected(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, location: &mut LocationConf| {
        set_reaction(directive, &mut location.rejected)
    })
}

fn set_mark(directive: &Directive, slot: &mut Mark, name: &str, default: u32) -> Result<(), Refusal> {
    if *slot != Mark::Inherited {
        return Err(Refusal::Duplicate);
    }
    let words = directive.words();
    *slot = match words.as_slice() {
        [b"off"] => Mark::Off,
        words => Mark::Seconds(conf::lasting(words, name, default)?),
    };
    Ok(())
}

/// `sekisho_trap [ban=TIME] | off;`
pub unsafe extern "C" fn sekisho_trap(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, location: &mut LocationConf| {
        set_mark(directive, &mut location.trap, "ban=", DEFAULT_TRAP_BAN)
    })
}

/// `sekisho_human [for=TIME] | off;`
pub unsafe extern "C" fn sekisho_human(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, location: &mut LocationConf| {
        set_mark(directive, &mut location.human, "for=", DEFAULT_IMMUNITY)
    })
}

/// `sekisho_breaker off | [clients=SHARE] [requests=SHARE] [hold=TIME];`
pub unsafe extern "C" fn sekisho_breaker(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, main: &mut MainConf| {
        if std::mem::replace(&mut main.guards.breaker_said, true) {
            return Err(Refusal::Duplicate);
        }
        main.guards.breaker = conf::breaker(&directive.words())?;
        Ok(())
    })
}

/// `sekisho_allow (ADDRESS | CIDR | file=FILE) ... | off;` Several lines of one level add up.
pub unsafe extern "C" fn sekisho_allow(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, location: &mut LocationConf| {
        let mut list = match location.allow.take() {
            None => AllowList::default(),
            Some(list) => {
                // SAFETY: nginx made the http level's configuration before it reads any directive.
                let main = unsafe { super::module::main_conf(directive.cf) }.ok_or(Refusal::Said)?;
                main.allow_lists.retain(|other| !Rc::ptr_eq(other, &list));
                Rc::into_inner(list).ok_or(Refusal::Said)?
            }
        };
        let off = directive.words() == [b"off"];
        for argument in directive.arguments().iter().filter(|_| !off) {
            match argument.as_bytes().strip_prefix(b"file=") {
                None => list.add(argument.as_bytes()).map_err(Refusal::Because)?,
                Some(path) => {
                    let path = full_path(directive, path)?;
                    let warn = |text: &str| directive.say(NGX_LOG_WARN as usize, text);
                    list.add_file(path, &warn).map_err(Refusal::Because)?;
                }
            }
        }
        let list = Rc::new(list);
        location.allow = Some(list.clone());
        // SAFETY: as above; the object being filled here is another.
        let main = unsafe { super::module::main_conf(directive.cf) }.ok_or(Refusal::Said)?;
        main.allow_lists.push(list);
        Ok(())
    })
}

fn full_path(directive: &Directive, path: &[u8]) -> Result<PathBuf, Refusal> {
    let path = ngx_str_t {
        len: path.len(),
        data: path.as_ptr().cast_mut(),
    };
    Ok(Path::new(&directive.path(&path)?.to_string()).to_owned())
}

/// `sekisho_bots on | off | [file=FILE] [allow=NAME,...];`
pub unsafe extern "C" fn sekisho_bots(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    read(cf, conf, |directive, main: &mut MainConf| {
        if std::mem::replace(&mut main.bots_said, true) {
            return Err(Refusal::Duplicate);
        }
        let words = directive.words();
        if words == [b"off"] || words == [b"on"] {
            main.bots = (words == [b"on"]).then(Bots::bundled);
            return Ok(());
        }
        let mut bots = Bots::bundled();
        // Names of the file's own bots may be allowed, whichever comes first.
        let (files, rest): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word.starts_with(b"file="));
        for word in files.into_iter().chain(rest) {
            if let Some(path) = word.strip_prefix(b"file=") {
                let warn = |text: &str| directive.say(NGX_LOG_WARN as usize, text);
                bots.read(&full_path(directive, path)?, &warn)
                    .map_err(Refusal::Because)?;
            } else if let Some(names) = word.strip_prefix(b"allow=") {
                bots.allow_only(names).map_err(Refusal::Because)?;
            } else {
                return Err(conf::ConfError::Parameter(String::from_utf8_lossy(word).into_owned()).into());
            }
        }
        main.bots = Some(bots);
        Ok(())
    })
}

const _: () = assert!(NGX_LOG_WARN > NGX_LOG_EMERG);
