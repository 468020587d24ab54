//! The evaluator for tree ensembles.
//!
//! Small trees, which the bundled model has, are evaluated as sets of leaves ([`masks`]); large ones are walked
//! eight at a time ([`walk`]). Both add the same leaves in the same order, so they agree to the last bit.

mod masks;
mod walk;

use super::limits::ROW;
use super::tree::Tree;
use masks::Masks;
use walk::{Flat, Group};

/// Partial sums: tree `n`, shallow trees first, is added to sum `n % LANES`.
const LANES: usize = 8;

/// A compiled ensemble.
#[derive(Debug)]
pub(super) struct Forest {
    groups: Vec<Group>,
    masks: Option<Masks>,
}

impl Forest {
    /// Compiles trees that passed [`Tree::depth`], with at most [`TREE_NODES`](super::limits::TREE_NODES)
    /// nodes each. Trees of one depth share a group, so that few steps are spent standing on a leaf.
    pub fn new(trees: &[Tree]) -> Forest {
        let mut placed: Vec<(&Tree, Flat)> = trees.iter().map(|tree| (tree, Flat::new(tree))).collect();
        placed.sort_by_key(|(_, flat)| flat.depth);
        let (trees, flat): (Vec<&Tree>, Vec<Flat>) = placed.into_iter().unzip();
        Forest {
            groups: flat.chunks(LANES).map(Group::new).collect(),
            masks: Masks::new(&trees),
        }
    }

    /// The sum of the leaves that `row`, which must be finite, falls into.
    pub fn sum(&self, row: &[f32; ROW]) -> f32 {
        let [a, b, c, d, e, f, g, h] = match &self.masks {
            Some(masks) => masks.sums(row),
            None => self.walk(row),
        };
        ((a + b) + (c + d)) + ((e + f) + (g + h))
    }

    fn walk(&self, row: &[f32; ROW]) -> [f32; LANES] {
        let mut sums = [0.0f32; LANES];
        for group in &self.groups {
            group.add(row, &mut sums);
        }
        sums
    }

    /// What each feature adds to [`Forest::sum`]: the sum for `row` minus the sum with that one feature taken
    /// from `typical`. Only trees that ask for a feature on the row's path, and get another answer, can differ:
    /// this costs about as much as two sums, not one for each feature.
    pub fn occlusions(&self, row: &[f32; ROW], typical: &[f32; ROW]) -> [f32; ROW] {
        let mut added = [0.0; ROW];
        for group in &self.groups {
            group.occlude(row, typical, &mut added);
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::Draw;

    #[test]
    fn both_evaluators_add_the_same_leaves_in_the_same_order() {
        for seed in 0..200 {
            let mut draw = Draw(seed);
            let trees = draw.trees(1 + seed as usize % 70, 1 + seed as usize % 5);
            let forest = Forest::new(&trees);
            let masks = forest
                .masks
                .as_ref()
                .expect("trees of depth 5 have at most 32 leaves");
            for _ in 0..20 {
                let mut row = [0.0; ROW];
                row[..6].copy_from_slice(&draw.row());
                assert_eq!(
                    masks.sums(&row).map(f32::to_bits),
                    forest.walk(&row).map(f32::to_bits),
                    "seed {seed}"
                );
            }
        }
    }
}
