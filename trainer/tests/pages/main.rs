//! The pages over a large store: what they say, how long they take, how heavy they are.

mod daemon;
mod population;
mod speed;
