//! Gradient boosting with forust, deterministic.

use forust_ml::Matrix;
use forust_ml::gradientbooster::GradientBooster;
use forust_ml::metric::Metric;
use sekisho_core::feature::{COUNT, Features};
use thiserror::Error;

use super::examples::{Example, columns};

/// What decides a model besides its data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Number of trees.
    pub trees: usize,
    /// Their greatest depth.
    pub depth: usize,
    /// Shrinkage of each tree's vote.
    pub learning_rate: f32,
    /// Seed of whatever is drawn.
    pub seed: u64,
}

impl Default for Settings {
    /// 48 trees of depth 5 rank unseen sites as well as 64 or 300 do, and every score walks all of them.
    fn default() -> Settings {
        Settings {
            trees: 48,
            depth: 5,
            learning_rate: 0.15,
            seed: 1,
        }
    }
}

/// Cuts a feature that are tried; every one that is used is compared with at every score. Three fourths of them
/// fewer rank as well.
const BINS: u16 = 64;
/// L2 regularisation of leaves.
const L2: f32 = 1.0;
/// Least sum of hessians in a leaf.
const LEAST_LEAF: f32 = 10.0;

/// Trees in a row that may make nothing better before growing ends.
const PATIENCE: usize = 12;

/// Why nothing could be learnt.
#[derive(Debug, Error)]
pub enum FitError {
    /// One class is missing.
    #[error("there are {crawlers} crawler rows and {humans} human rows to learn from; a model needs both")]
    OneClass {
        /// Rows labelled crawler.
        crawlers: usize,
        /// Rows labelled human.
        humans: usize,
    },
    /// No likely human can be scored by a model that does not know it.
    #[error("too few crawler families and humans to set thresholds; give more logs, or a longer one")]
    NoThresholds,
    /// The booster gave up.
    #[error("training failed: {0}")]
    Booster(String),
}

/// A fitted booster.
pub struct Fitted {
    /// The booster, for the ONNX writer.
    pub booster: GradientBooster,
    all_features: bool,
}

impl Fitted {
    /// Learns from weighted examples, with or without asset and referer features.
    pub fn fit(examples: &[Example<'_>], settings: Settings, all_features: bool) -> Result<Fitted, FitError> {
        let table = Table::of(examples, all_features)?;
        let mut booster = booster(settings);
        let matrix = Matrix::new(&table.values, examples.len(), COUNT);
        booster
            .fit(&matrix, &table.labels, &table.weights, None)
            .map_err(|error| FitError::Booster(error.to_string()))?;
        Ok(Fitted {
            booster,
            all_features,
        })
    }

    /// Learns from weighted examples until the others are predicted no better: [`PATIENCE`] trees in a row without a
    /// smaller loss on them, and the model is the one before these.
    pub fn fit_until(
        examples: &[Example<'_>],
        validation: &[Example<'_>],
        settings: Settings,
    ) -> Result<Fitted, FitError> {
        let (table, unseen) = (Table::of(examples, true)?, Table::of(validation, true)?);
        let mut booster = booster(settings)
            .set_evaluation_metric(Some(Metric::LogLoss))
            .set_early_stopping_rounds(Some(PATIENCE));
        let matrix = Matrix::new(&table.values, examples.len(), COUNT);
        let unseen_matrix = Matrix::new(&unseen.values, validation.len(), COUNT);
        let unseen = vec![(unseen_matrix, &unseen.labels[..], &unseen.weights[..])];
        booster
            .fit(&matrix, &table.labels, &table.weights, Some(unseen))
            .map_err(|error| FitError::Booster(error.to_string()))?;
        Ok(Fitted {
            booster,
            all_features: true,
        })
    }

    /// Trees that its scores are made of.
    pub fn trees(&self) -> usize {
        let grown = self.booster.trees.len();
        self.booster.prediction_iteration.unwrap_or(grown).min(grown)
    }

    /// Scores, 0 to 1, one a row.
    pub fn score<'a>(&self, rows: impl ExactSizeIterator<Item = &'a Features> + Clone) -> Vec<f64> {
        let count = rows.len();
        if count == 0 {
            return Vec::new();
        }
        let values = columns(rows, self.all_features);
        let log_odds = self.booster.predict(&Matrix::new(&values, count, COUNT), false);
        log_odds
            .into_iter()
            .map(|value| 1.0 / (1.0 + (-value).exp()))
            .collect()
    }
}

/// Examples as the booster takes them.
struct Table {
    values: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
}

impl Table {
    fn of(examples: &[Example<'_>], all_features: bool) -> Result<Table, FitError> {
        let crawlers = examples.iter().filter(|example| example.automated).count();
        let humans = examples.len() - crawlers;
        if crawlers == 0 || humans == 0 {
            return Err(FitError::OneClass { crawlers, humans });
        }
        Ok(Table {
            values: columns(examples.iter().map(|example| example.features), all_features),
            labels: examples
                .iter()
                .map(|example| f64::from(u8::from(example.automated)))
                .collect(),
            weights: examples.iter().map(|example| example.weight).collect(),
        })
    }
}

fn booster(settings: Settings) -> GradientBooster {
    GradientBooster::default()
        .set_iterations(settings.trees)
        .set_max_depth(settings.depth)
        .set_max_leaves(1 << settings.depth)
        .set_learning_rate(settings.learning_rate)
        .set_l2(L2)
        .set_min_leaf_weight(LEAST_LEAF)
        .set_seed(settings.seed)
        .set_nbins(BINS)
        // Features are finite: a branch for missing values would be dead weight in every tree.
        .set_create_missing_branch(false)
        .set_allow_missing_splits(false)
        // Sums of floats in the order of threads would differ from run to run.
        .set_parallel(false)
}
