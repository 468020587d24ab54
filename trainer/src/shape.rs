//! How a command prints what it found.

/// Shapes of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// For people
    Table,
    /// One JSON document
    Json,
}
