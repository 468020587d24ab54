//! What clients send never becomes our words.
