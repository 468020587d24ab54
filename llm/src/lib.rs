//! Asking language models: an ordered chain of them under one deadline, with breakers, budgets, and everything that
//! happened on record. What is asked, where the record is kept and who is blocked are not known here.
#![forbid(unsafe_code)]

mod attempt;
mod breaker;
mod budget;
mod chain;
mod clock;
mod config;
mod latency;
mod ledger;
mod metrics;
mod outcome;
mod price;
mod provider;
mod question;
mod quota;
mod schema;
mod secret;
mod status;
mod telemetry;
mod transport;
mod visible;

pub use breaker::{Admission, Breaker};
pub use budget::Period;
pub use chain::{Chain, ChainError};
pub use config::{BreakerSettings, Budgets, Config, Kind, Limit, Otlp, Price, Problem, Target};
pub use ledger::{Entry, Ledger, LedgerError, MemoryLedger, Spend};
pub use outcome::{Answer, Attempt, Ended, ErrorClass, Outcome, Reason, Skip, SkipReason};
pub use price::{Cost, PriceTable};
pub use question::Question;
pub use quota::{Pause, Quota};
pub use schema::{Schema, SchemaError};
pub use secret::{Secret, SecretError};
pub use status::{Claims, PeriodStatus, Status, TargetStatus};
