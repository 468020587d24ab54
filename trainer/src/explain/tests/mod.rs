//! Rules, words and checks on snapshots.
