//! The module as nginx sees it: tables, directives, variables, phases.
#![allow(non_upper_case_globals)]

use std::ffi::{CStr, c_char};
use std::mem::offset_of;
use std::ptr::{NonNull, addr_of_mut, null, null_mut};

use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_2MORE, NGX_CONF_FLAG, NGX_CONF_NOARGS, NGX_CONF_TAKE1, NGX_ERROR,
    NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF, NGX_HTTP_MAIN_CONF_OFFSET,
    NGX_HTTP_MODULE, NGX_HTTP_SRV_CONF, NGX_HTTP_VAR_NOCACHEABLE, NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_NOTICE,
    NGX_LOG_WARN, NGX_OK, NGX_PROCESS_SIGNALLER, ngx_array_push, ngx_command_t, ngx_conf_check_num_bounds,
    ngx_conf_enum_t, ngx_conf_num_bounds_t, ngx_conf_set_enum_slot, ngx_conf_set_flag_slot,
    ngx_conf_set_num_slot, ngx_conf_t, ngx_http_add_variable, ngx_http_conf_ctx_t, ngx_http_core_main_conf_t,
    ngx_http_core_module, ngx_http_handler_pt, ngx_http_module_t, ngx_http_phases_NGX_HTTP_LOG_PHASE,
    ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, ngx_int_t, ngx_module_t, ngx_process, ngx_str_t, ngx_uint_t,
};

use super::config::{DRY_RUN_ALWAYS, LocationConf, MainConf, create_location, create_main, merge_location};
use super::guard::{guard, install_hook};
use super::log::{self, Level};
use super::{api, board, directives, exceptions, files, process, request};
use crate::guards::Guards;
use crate::variables::Variable;

/// As nginx's `ngx_string`: nginx compares names with strcmp, so the terminating zero must be there.
const fn name(text: &'static CStr) -> ngx_str_t {
    ngx_str_t {
        len: text.count_bytes(),
        data: text.as_ptr().cast_mut().cast(),
    }
}

const ANY_LEVEL: ngx_uint_t = (NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF) as ngx_uint_t;
/// Marks of one place in a site.
const TRAP_LEVELS: ngx_uint_t = NGX_HTTP_LOC_CONF as ngx_uint_t;
const HTTP_LEVEL: ngx_uint_t = NGX_HTTP_MAIN_CONF as ngx_uint_t;

/// What `sekisho_status` may be, as limit_req_status.
static mut STATUS_BOUNDS: ngx_conf_num_bounds_t = ngx_conf_num_bounds_t {
    post_handler: Some(ngx_conf_check_num_bounds),
    low: 400,
    high: 599,
};

const fn level(text: &'static CStr, value: u32) -> ngx_conf_enum_t {
    ngx_conf_enum_t {
        name: name(text),
        value: value as ngx_uint_t,
    }
}

static mut DRY_RUNS: [ngx_conf_enum_t; 4] = [
    level(c"off", 0),
    level(c"on", 1),
    level(c"always", DRY_RUN_ALWAYS as u32),
    ngx_conf_enum_t {
        name: ngx_str_t::empty(),
        value: 0,
    },
];

static mut LOG_LEVELS: [ngx_conf_enum_t; 5] = [
    level(c"info", NGX_LOG_INFO),
    level(c"notice", NGX_LOG_NOTICE),
    level(c"warn", NGX_LOG_WARN),
    level(c"error", NGX_LOG_ERR),
    ngx_conf_enum_t {
        name: ngx_str_t::empty(),
        value: 0,
    },
];

const fn command(
    text: &'static CStr,
    kind: ngx_uint_t,
    set: unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut std::ffi::c_void) -> *mut c_char,
    conf: usize,
) -> ngx_command_t {
    ngx_command_t {
        name: name(text),
        type_: kind,
        set: Some(set),
        conf,
        offset: 0,
        post: null_mut(),
    }
}

static mut COMMANDS: [ngx_command_t; 17] = [
    command(
        c"sekisho_zone",
        HTTP_LEVEL | NGX_CONF_2MORE as ngx_uint_t,
        directives::sekisho_zone,
        NGX_HTTP_MAIN_CONF_OFFSET,
    ),
    command(
        c"sekisho",
        ANY_LEVEL | NGX_CONF_1MORE as ngx_uint_t,
        directives::sekisho,
        NGX_HTTP_LOC_CONF_OFFSET,
    ),
    ngx_command_t {
        offset: offset_of!(LocationConf, dry_run),
        post: addr_of_mut!(DRY_RUNS).cast(),
        ..command(
            c"sekisho_dry_run",
            ANY_LEVEL | NGX_CONF_TAKE1 as ngx_uint_t,
            ngx_conf_set_enum_slot,
            NGX_HTTP_LOC_CONF_OFFSET,
        )
    },
    ngx_command_t {
        offset: offset_of!(LocationConf, status),
        post: addr_of_mut!(STATUS_BOUNDS).cast(),
        ..command(
            c"sekisho_status",
            ANY_LEVEL | NGX_CONF_TAKE1 as ngx_uint_t,
            ngx_conf_set_num_slot,
            NGX_HTTP_LOC_CONF_OFFSET,
        )
    },
    ngx_command_t {
        offset: offset_of!(LocationConf, log_level),
        post: addr_of_mut!(LOG_LEVELS).cast(),
        ..command(
            c"sekisho_log_level",
            ANY_LEVEL | NGX_CONF_TAKE1 as ngx_uint_t,
            ngx_conf_set_enum_slot,
            NGX_HTTP_LOC_CONF_OFFSET,
        )
    },
    command(
        c"sekisho_model",
        HTTP_LEVEL | NGX_CONF_1MORE as ngx_uint_t,
        files::sekisho_model,
        NGX_HTTP_MAIN_CONF_OFFSET,
    ),
    command(
        c"sekisho_samples",
        HTTP_LEVEL | NGX_CONF_1MORE as ngx_uint_t,
        files::sekisho_samples,
        NGX_HTTP_MAIN_CONF_OFFSET,
    ),
    command(
        c"sekisho_suspect",
        ANY_LEVEL | NGX_CONF_1MORE as ngx_uint_t,
        exceptions::sekisho_suspect,
        NGX_HTTP_LOC_CONF_OFFSET,
    ),
    command(
        c"sekisho_rejected",
        ANY_LEVEL | NGX_CONF_1MORE as ngx_uint_t,
        exceptions::sekisho_rejected,
        NGX_HTTP_LOC_CONF_OFFSET,
    ),
    command(
        c"sekisho_allow",
        ANY_LEVEL | NGX_CONF_1MORE as ngx_uint_t,
        exceptions::sekisho_allow,
        NGX_HTTP_LOC_CONF_OFFSET,
    ),
    command(
        c"sekisho_trap",
        TRAP_LEVELS | (NGX_CONF_NOARGS | NGX_CONF_TAKE1) as ngx_uint_t,
        exceptions::sekisho_trap,
        NGX_HTTP_LOC_CONF_OFFSET,
    ),
    command(
        c"sekisho_human",
        TRAP_LEVELS | (NGX_CONF_NOARGS | NGX_CONF_TAKE1) as ngx_uint_t,
        exceptions::sekisho_human,
        NGX_HTTP_LOC_CONF_OFFSET,
    ),
    command(
        c"sekisho_bots",
        HTTP_LEVEL | NGX_CONF_1MORE as ngx_uint_t,
        exceptions::sekisho_bots,
        NGX_HTTP_MAIN_CONF_OFFSET,
    ),
    command(
        c"sekisho_breaker",
        HTTP_LEVEL | NGX_CONF_1MORE as ngx_uint_t,
        exceptions::sekisho_breaker,
        NGX_HTTP_MAIN_CONF_OFFSET,
    ),
    ngx_command_t {
        offset: offset_of!(MainConf, guards) + offset_of!(Guards, proxy),
        ..command(
            c"sekisho_proxy_guard",
            HTTP_LEVEL | NGX_CONF_FLAG as ngx_uint_t,
            ngx_conf_set_flag_slot,
            NGX_HTTP_MAIN_CONF_OFFSET,
        )
    },
    command(
        c"sekisho_api",
        (NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS) as ngx_uint_t,
        api::sekisho_api,
        NGX_HTTP_LOC_CONF_OFFSET,
    ),
    ngx_command_t::empty(),
];

static HTTP_MODULE: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(preconfiguration),
    postconfiguration: Some(postconfiguration),
    create_main_conf: Some(create_main),
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: Some(create_location),
    merge_loc_conf: Some(merge_location),
};

/// The module. nginx writes its index into it when it is loaded.
#[unsafe(no_mangle)]
pub static mut ngx_http_sekisho_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const HTTP_MODULE).cast_mut().cast(),
    commands: addr_of_mut!(COMMANDS).cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    init_process: Some(process::init_process),
    exit_process: Some(process::exit_process),
    ..ngx_module_t::default()
};

/// The modules of this library.
#[unsafe(no_mangle)]
pub static mut ngx_modules: [*const ngx_module_t; 2] = [&raw const ngx_http_sekisho_module, null()];

/// Their names.
#[unsafe(no_mangle)]
pub static mut ngx_module_names: [*const c_char; 2] = [c"ngx_http_sekisho_module".as_ptr(), null()];

/// Ours goes before realip in nginx's list. Handlers run in the list's reverse order, so realip has put the
/// client's address in place when we are asked; a dynamic module without an order would run first.
#[unsafe(no_mangle)]
pub static mut ngx_module_order: [*const c_char; 3] = [
    c"ngx_http_sekisho_module".as_ptr(),
    c"ngx_http_realip_module".as_ptr(),
    null(),
];

/// Our `http` level configuration.
///
/// # Safety
/// `cf` must be the configuration being read, inside an `http` block; no other reference to the object may live.
pub unsafe fn main_conf<'a>(cf: NonNull<ngx_conf_t>) -> Option<&'a mut MainConf> {
    // SAFETY: inside `http`, `ctx` holds one place for each http module, ours at our index.
    unsafe {
        let ctx = cf.as_ref().ctx.cast::<ngx_http_conf_ctx_t>().as_ref()?;
        (*ctx.main_conf.add(ngx_http_sekisho_module.ctx_index))
            .cast::<MainConf>()
            .as_mut()
    }
}

fn in_configuration(
    cf: *mut ngx_conf_t,
    body: impl FnOnce(NonNull<ngx_conf_t>) -> Result<(), String>,
) -> ngx_int_t {
    let report = |message: &str| {
        // SAFETY: nginx passes the configuration being read; its log lives as long.
        unsafe { log::write((*cf).log, Level::Emergency as usize, &message) }
    };
    let refused = NGX_ERROR as ngx_int_t;
    guard(refused, report, || match NonNull::new(cf).map(body) {
        Some(Ok(())) => NGX_OK as ngx_int_t,
        Some(Err(reason)) => {
            report(&reason);
            refused
        }
        None => refused,
    })
}

unsafe extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    install_hook();
    in_configuration(cf, |cf| {
        for variable in Variable::ALL {
            let mut text = name(variable.name());
            // SAFETY: nginx copies the name and gives a variable of its own pool.
            let added = unsafe {
                ngx_http_add_variable(cf.as_ptr(), &mut text, NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t).as_mut()
            };
            let added = added.ok_or_else(|| {
                format!(
                    "variable \"${}\" could not be added",
                    variable.name().to_string_lossy()
                )
            })?;
            added.get_handler = Some(request::variable);
            added.data = variable as usize;
        }
        Ok(())
    })
}

unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    in_configuration(cf, |cf| {
        // SAFETY: nginx calls this inside the `http` block; nothing else holds our configuration.
        let main = unsafe { main_conf(cf) }.ok_or("sekisho has no configuration")?;
        // A process that only sends a signal reads the configuration too; it needs no model.
        // SAFETY: nginx sets ngx_process from the command line, before it reads the configuration.
        if main.uses.is_empty() || unsafe { ngx_process } == NGX_PROCESS_SIGNALLER as ngx_uint_t {
            return Ok(());
        }
        directives::complete(main)?;
        // SAFETY: `cf` is the configuration being read.
        unsafe { board::declare(cf, main) }?;
        // SAFETY: as for `main_conf`; nginx's own core module always has a configuration.
        let core = unsafe {
            let ctx = &*cf.as_ref().ctx.cast::<ngx_http_conf_ctx_t>();
            let index = ngx_http_core_module.ctx_index;
            &mut *(*ctx.main_conf.add(index)).cast::<ngx_http_core_main_conf_t>()
        };
        push(
            core,
            ngx_http_phases_NGX_HTTP_PREACCESS_PHASE,
            Some(request::preaccess),
        )?;
        push(core, ngx_http_phases_NGX_HTTP_LOG_PHASE, Some(request::log_phase))
    })
}

fn push(
    core: &mut ngx_http_core_main_conf_t,
    phase: u32,
    handler: ngx_http_handler_pt,
) -> Result<(), String> {
    let phase = core
        .phases
        .get_mut(phase as usize)
        .ok_or("nginx has no such phase")?;
    // SAFETY: nginx initialises the arrays of all phases before it calls any postconfiguration.
    let place = unsafe {
        ngx_array_push(&mut phase.handlers)
            .cast::<ngx_http_handler_pt>()
            .as_mut()
    };
    *place.ok_or("no memory for a phase handler")? = handler;
    Ok(())
}
