//! The whole simulation, looked at from outside.
