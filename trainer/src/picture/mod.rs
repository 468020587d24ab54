//! Pictures of clients and networks as SVG that is part of a page: no scripts, no styles of its own but classes, every
//! text escaped, and a name and a description for those who do not see it.

mod curve;
mod period;
mod raster;
mod spark;
mod strip;
mod svg;
mod treemap;

pub use curve::{Curve, Point, curve};
pub use period::period;
pub use raster::{Dot, Raster, pauses, raster};
pub use spark::{bar, spark};
pub use strip::{Strip, strip};
pub use svg::Label;
pub use treemap::{Tile, treemap};
