//! Configuration objects: made, merged and filled by nginx, read by the handlers.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::io;
use std::ptr::{NonNull, null_mut};
use std::rc::Rc;

use nginx_sys::{
    NGX_LOG_ERR, ngx_conf_t, ngx_flag_t, ngx_int_t, ngx_open_file_t, ngx_shm_zone_t, ngx_time, ngx_uint_t,
};
use sekisho_core::checkpoint::{DEFAULT_GROUP_REQUESTS, Policy, Verdict};

use super::directives::{Directive, NGX_CONF_ERROR, Place};
use super::files::ModelFiles;
use super::guard::guard;
use super::pool;
use super::resolver::LookUps;
use super::shm::ZoneData;
use crate::allow::AllowList;
use crate::bots::Bots;
use crate::conf::Overrides;
use crate::guards::Guards;
use crate::measures::Meter;
use crate::models::Models;
use crate::reaction::Reaction;
use crate::samples::SampleLog;
use crate::scorer::Scorer;

/// "Not said", as nginx's slots have it.
const UNSET: isize = -1;
const DEFAULT_STATUS: isize = 429;
/// `sekisho_dry_run always`: whatever the levels below say.
pub const DRY_RUN_ALWAYS: isize = 2;

/// `http` level.
#[derive(Default)]
pub struct MainConf {
    /// The models that this process runs.
    pub models: Models,
    /// When this configuration was read, unix seconds.
    pub configured_at: u32,
    /// Times some of this worker's decisions.
    pub meter: Meter,
    /// `sekisho_model`.
    pub(super) model_files: Option<ModelFiles>,
    /// `sekisho_samples`.
    pub samples: Option<SampleLog>,
    /// The board of workers.
    pub(super) posted: Option<NonNull<ngx_shm_zone_t>>,
    /// Where `sekisho zone=` was written.
    pub(super) uses: Vec<Use>,
    /// All of `sekisho_allow`, whose files may change.
    pub allow_lists: Vec<Rc<AllowList>>,
    /// `sekisho_bots`; `None` when nobody's claim is looked at.
    pub bots: Option<Bots>,
    /// Claims whose host names this worker asks for.
    pub(super) look_ups: LookUps,
    pub(super) bots_said: bool,
    /// `sekisho_breaker` and `sekisho_proxy_guard`.
    pub guards: Guards,
    /// Requests being delayed in this worker.
    pub delayed: Cell<u32>,
    /// `sekisho_zone`, in their order.
    pub(super) zones: Vec<NonNull<ZoneData>>,
}

impl MainConf {
    /// Whether any location checks anything.
    pub fn in_use(&self) -> bool {
        !self.uses.is_empty()
    }

    /// The zones that are defined.
    pub fn zones(&self) -> impl Iterator<Item = &ZoneData> {
        // SAFETY: `sekisho_zone` put them there; they live in the cycle's pool as this configuration does, and
        // are changed by init_zone only, before any process serves.
        self.zones.iter().map(|zone| unsafe { zone.as_ref() })
    }
}

/// `sekisho zone=` of a location.
#[derive(Clone)]
pub struct Check {
    pub(super) zone: ZoneRef,
    /// How clients are judged here.
    pub limits: Overrides,
    /// What that comes to under a model, which is asked for at every request and changes with the model only.
    pub(super) policy: Cell<Option<(u32, Policy)>>,
}

/// One `sekisho zone=`.
pub(super) struct Use {
    pub(super) check: Check,
    pub(super) place: Place,
    /// The zone of the line before it, in the same location.
    pub(super) after: Option<ZoneRef>,
}

/// A zone by its place in nginx's list, until the cycle ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ZoneRef(pub(super) NonNull<ngx_shm_zone_t>);

impl ZoneRef {
    /// The zone; `None` when no `sekisho_zone` defines it.
    pub fn get(&self) -> Option<&ZoneData> {
        // SAFETY: nginx keeps the zone as long as the cycle that this configuration belongs to; its data is
        // null or what `sekisho_zone` put there.
        unsafe { self.0.as_ref().data.cast::<ZoneData>().as_ref() }
    }

    /// Name of the zone, defined or not.
    pub(super) fn name(&self) -> String {
        // SAFETY: as above.
        unsafe { self.0.as_ref().shm.name }.to_string()
    }
}

impl Check {
    /// How clients are judged here under a model; `group` when the zone is not the location's narrowest.
    #[inline(always)]
    pub fn policy(&self, scorer: &Scorer, group: bool) -> Policy {
        match self.policy.get() {
            Some((number, policy)) if number == scorer.number() => policy,
            _ => self.resolve(scorer, group),
        }
    }

    #[cold]
    fn resolve(&self, scorer: &Scorer, group: bool) -> Policy {
        let mut policy = self.limits.policy(scorer.thresholds());
        if group && self.limits.min_requests.is_none() {
            policy.min_requests = DEFAULT_GROUP_REQUESTS;
        }
        self.policy.set(Some((scorer.number(), policy)));
        policy
    }

    /// The zone's place.
    pub fn place(&self) -> ZoneRef {
        self.zone
    }

    /// The zone; `None` when no `sekisho_zone` defines it.
    pub fn zone(&self) -> Option<&ZoneData> {
        self.zone.get()
    }
}

/// `sekisho` of a level.
#[derive(Clone, Default)]
pub enum Setting {
    /// Nothing said: as in the level above.
    #[default]
    Inherited,
    /// `off`.
    Off,
    /// `zone=`, the narrowest first.
    On(Vec<Check>),
}

/// `sekisho_trap` or `sekisho_human` of a level.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing said: as in the level above.
    #[default]
    Inherited,
    /// `off`.
    Off,
    /// For so many seconds.
    Seconds(u32),
}

impl Mark {
    /// Seconds, where there is a mark.
    pub fn seconds(self) -> Option<u32> {
        match self {
            Mark::Seconds(seconds) => Some(seconds),
            Mark::Inherited | Mark::Off => None,
        }
    }

    fn or(self, above: Mark) -> Mark {
        if self == Mark::Inherited { above } else { self }
    }
}

/// `http`, `server` and `location` level. nginx's slot functions write the first three by their offset.
#[repr(C)]
pub struct LocationConf {
    pub(super) dry_run: ngx_flag_t,
    pub(super) status: ngx_int_t,
    pub(super) log_level: ngx_uint_t,
    pub(super) setting: Setting,
    pub(super) suspect: Option<Reaction>,
    pub(super) rejected: Option<Reaction>,
    pub(super) trap: Mark,
    pub(super) human: Mark,
    pub(super) allow: Option<Rc<AllowList>>,
    /// Whether one of the two reactions tells the upstream; known once levels are merged.
    tags: bool,
    /// `sekisho_api`: requests for the API are not judged, unless the location says so.
    pub(super) api: bool,
}

impl LocationConf {
    /// What to check here, the narrowest zone first.
    pub fn checks(&self) -> &[Check] {
        if let Setting::On(checks) = &self.setting {
            checks
        } else {
            &[]
        }
    }

    /// Whether verdicts stay without consequence.
    pub fn dry_run(&self) -> bool {
        self.dry_run != 0
    }

    /// What is done about a suspect client.
    pub fn suspect(&self) -> Reaction {
        self.suspect.unwrap_or_default()
    }

    /// What is done about a rejected client.
    pub fn rejected(&self) -> Reaction {
        self.rejected.unwrap_or(Reaction {
            status: Some(self.status as u16),
            ..Reaction::default()
        })
    }

    /// Whether the upstream is told of anybody.
    #[inline(always)]
    pub fn tags(&self) -> bool {
        self.tags
    }

    /// What is done about a client with this verdict.
    pub fn reaction(&self, verdict: Verdict) -> Reaction {
        match verdict {
            Verdict::Suspect => self.suspect(),
            Verdict::Rejected | Verdict::Trapped => self.rejected(),
            _ => Reaction::default(),
        }
    }

    /// How long a request to this location bans, in seconds, when it is a trap.
    pub fn trap(&self) -> Option<u32> {
        self.trap.seconds()
    }

    /// How long a request to this location makes immune, in seconds, when only people complete it.
    pub fn human(&self) -> Option<u32> {
        self.human.seconds()
    }

    /// Whom not to stop here.
    pub fn allow(&self) -> Option<&AllowList> {
        self.allow.as_deref()
    }

    /// Level of the line that says that a client is now rejected.
    pub fn log_level(&self) -> usize {
        self.log_level
    }

    fn inherit(&mut self, parent: &LocationConf) {
        if let Setting::Inherited = self.setting {
            self.setting = if self.api {
                Setting::Off
            } else {
                parent.setting.clone()
            };
        }
        let or = |own: isize, above: isize, default: isize| match (own, above) {
            (UNSET, UNSET) => default,
            (UNSET, above) => above,
            (own, _) => own,
        };
        // A status of its own beats actions from above.
        if self.rejected.is_none() && self.status == UNSET {
            self.rejected = parent.rejected;
        }
        self.suspect = self.suspect.or(parent.suspect);
        self.tags = self.suspect().tag || self.rejected().tag;
        self.trap = self.trap.or(parent.trap);
        self.human = self.human.or(parent.human);
        self.allow = self.allow.take().or_else(|| parent.allow.clone());
        if parent.dry_run == DRY_RUN_ALWAYS {
            self.dry_run = DRY_RUN_ALWAYS;
        }
        self.dry_run = or(self.dry_run, parent.dry_run, 1);
        self.status = or(self.status, parent.status, DEFAULT_STATUS);
        self.log_level = or(
            self.log_level as isize,
            parent.log_level as isize,
            NGX_LOG_ERR as isize,
        ) as ngx_uint_t;
    }
}

/// A file that nginx opens, and opens again on USR1.
pub struct SampleFile(pub(super) NonNull<ngx_open_file_t>);

impl SampleFile {
    /// Appends in one write, and says how much was taken.
    pub fn append(&self, line: &[u8]) -> io::Result<usize> {
        // SAFETY: nginx keeps the file in the cycle's list; USR1 changes the descriptor, so it is read anew.
        let fd = unsafe { self.0.as_ref().fd };
        loop {
            // SAFETY: the bytes live until the call returns; an invalid descriptor is an error, no more.
            let written = unsafe { libc::write(fd, line.as_ptr().cast(), line.len()) };
            if written >= 0 {
                return Ok(written as usize);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

/// Makes a `http` level configuration that dies with the cycle.
pub unsafe extern "C" fn create_main(cf: *mut ngx_conf_t) -> *mut c_void {
    create(cf, || MainConf {
        configured_at: u32::try_from(ngx_time()).unwrap_or(0),
        ..MainConf::default()
    })
}

/// Makes a configuration of a level, with nothing said.
pub unsafe extern "C" fn create_location(cf: *mut ngx_conf_t) -> *mut c_void {
    create(cf, || LocationConf {
        dry_run: UNSET,
        status: UNSET,
        log_level: UNSET as ngx_uint_t,
        setting: Setting::Inherited,
        suspect: None,
        rejected: None,
        trap: Mark::Inherited,
        human: Mark::Inherited,
        allow: None,
        tags: false,
        api: false,
    })
}

fn create<T>(cf: *mut ngx_conf_t, value: impl FnOnce() -> T) -> *mut c_void {
    guard(
        null_mut(),
        |_| (),
        || {
            // SAFETY: nginx passes the configuration being read; its pool is the cycle's.
            let kept = unsafe { pool::keep((*cf).pool, value()) };
            kept.map_or(null_mut(), |kept| kept.cast())
        },
    )
}

/// Fills what a level leaves out from the level above.
pub unsafe extern "C" fn merge_location(
    cf: *mut ngx_conf_t,
    parent: *mut c_void,
    child: *mut c_void,
) -> *mut c_char {
    guard(
        NGX_CONF_ERROR,
        |_| (),
        || {
            // SAFETY: nginx passes two different objects that `create_location` made.
            let (parent, child) = unsafe {
                (
                    &*parent.cast::<LocationConf>(),
                    &mut *child.cast::<LocationConf>(),
                )
            };
            child.inherit(parent);
            if !child.dry_run() {
                // A zone that nobody defines is refused after all levels are merged.
                let zones = child.checks().iter().filter_map(Check::zone);
                zones.for_each(ZoneData::enforce);
            }
            let marks = [(child.trap(), "sekisho_trap"), (child.human(), "sekisho_human")];
            let marked = marks.iter().find(|(mark, _)| mark.is_some());
            if let Some((_, name)) = marked.filter(|_| child.checks().is_empty()) {
                let reason = format!("\"{name}\" needs \"sekisho zone=\"");
                Directive::of(cf, |directive| directive.refuse(&reason));
                return NGX_CONF_ERROR;
            }
            null_mut()
        },
    )
}
