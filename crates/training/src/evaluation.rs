//! What was measured: kept as `evaluation.json` in the run's folder, so that runs can be compared query by query.
//!
//! - `conclude`: [`Measured`] rungs in, the [`Evaluation`] out.
//! - `pool`: the evaluations of a cross-validation as one.

mod conclude;
mod pool;
#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use goodtwin_core::{BagType, ContentId, Dataset, Error as CoreError, Row, atomic};
use goodtwin_vision::{Architecture, ModelCard};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::bootstrap::{Bootstrap, Estimate};
use crate::metrics::Confusion;
use crate::retrieval::{Answer, Answers, Cluster, Figures, Metric, Retrieval, cluster};
use crate::seed_group::SeedGroup;
pub use conclude::Measured;
pub use pool::pool;

const FORMAT: u32 = 1;
/// A run's main evaluation, in its folder.
pub const NAME: &str = "evaluation.json";

/// Which pictures ask. The gallery is always every other picture of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queries {
    /// Those whose families the run has not seen: the test split of its own data set, all that is new of another.
    HeldOut,
    /// All: for features that were trained on none of them.
    All,
}

impl std::str::FromStr for Queries {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "held-out" => Ok(Queries::HeldOut),
            "all" => Ok(Queries::All),
            _ => Err(format!("`{text}` is not a set of queries: expected held-out or all")),
        }
    }
}

/// A place on the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Directions drawn at random.
    Random,
    /// A histogram of colours.
    Colours,
    /// ImageNet's VGG16 as it came.
    Untouched,
    /// A run of the original study's recipe on the same data set.
    Seed,
    /// The run before its first step.
    Start,
    /// The run.
    Run,
}

/// One line of the comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// What was compared: "this run", "grey, block 4 grid".
    pub features: String,
    /// Its place.
    pub kind: Kind,
    /// The short form, over the queries that have a relative.
    pub retrieval: Option<Retrieval>,
    /// Families found; none when no query has another picture of its family in the set.
    pub family: Option<Figures>,
    /// Families found on other grounds than the query's.
    pub across: Option<Figures>,
    /// Families found among the pictures that ask alone.
    #[serde(default)]
    pub unseen: Option<Figures>,
    /// Types found.
    pub types: Option<Figures>,
    /// The softmax's accuracy on the pictures that ask; none for features without a softmax.
    pub accuracy: Option<Estimate>,
    /// Why there are no figures, and what makes some.
    pub note: Option<String>,
    /// What each query found.
    pub answers: Answers,
}

impl Rung {
    /// The figures of some answers, by rows of a data set.
    pub fn of(features: impl Into<String>, kind: Kind, answers: Answers, rows: &[Row], bootstrap: &Bootstrap) -> Rung {
        Rung::clustered(features, kind, answers, &|i| cluster(&rows[i]), bootstrap)
    }

    /// The figures of some answers, where `cluster` says what a query belongs to.
    pub fn clustered<'a>(
        features: impl Into<String>,
        kind: Kind,
        answers: Answers,
        cluster: Cluster<'_, 'a>,
        bootstrap: &Bootstrap,
    ) -> Rung {
        let figures = |answers: &[Answer]| Figures::of(answers, cluster, bootstrap);
        Rung {
            features: features.into(),
            kind,
            retrieval: Retrieval::of(&answers),
            family: figures(&answers.family),
            across: figures(&answers.across),
            unseen: figures(&answers.unseen),
            types: figures(&answers.types),
            accuracy: None,
            note: None,
            answers,
        }
    }

    /// A rung that was not measured, and why.
    pub fn absent(features: impl Into<String>, kind: Kind, note: impl Into<String>) -> Rung {
        Rung {
            features: features.into(),
            kind,
            retrieval: None,
            family: None,
            across: None,
            unseen: None,
            types: None,
            accuracy: None,
            note: Some(note.into()),
            answers: Answers::default(),
        }
    }

    fn recall_1(&self) -> f64 {
        self.family.as_ref().map_or(-1.0, |f| f.get(Metric::Recall1).value)
    }
}

/// The queries of one type, or on one ground.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// `tote`, `plain`; `not known` for pictures whose ground nobody noted.
    pub name: String,
    /// Families found by the first rung: the run, or without one the best untouched feature.
    pub family: Figures,
    /// The run minus the best untouched feature, by measure; none without a run.
    pub difference: Option<BTreeMap<Metric, Estimate>>,
}

/// What the softmax said of the pictures that ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// Pictures.
    pub pictures: usize,
    /// The share that was right, with its interval.
    pub accuracy: Estimate,
    /// By class: how many there are, precision, recall.
    pub classes: Vec<ClassFigures>,
    /// Without the pictures of types that the run does not know.
    pub confusion: Confusion,
    /// Row numbers of the pictures that it knew.
    pub right: Vec<usize>,
    /// The pictures that it was most sure of and wrong, the surest first.
    pub worst: Vec<Mistake>,
}

impl Classification {
    /// Of the pictures, how many are of types that the run does not know, for people; empty where there are none.
    pub fn strangers(&self) -> String {
        match self.pictures.saturating_sub(self.confusion.total()) {
            0 => String::new(),
            1 => "; 1 is of a type that the run does not know, and counts as wrong".into(),
            n => format!("; {n} are of types that the run does not know, and count as wrong"),
        }
    }
}

/// One class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassFigures {
    /// The class.
    pub class: BagType,
    /// Pictures of it.
    pub pictures: usize,
    /// Of those taken for it, the share that are; none when none was.
    pub precision: Option<f64>,
    /// Of those that are, the share that was found; none when there are none.
    pub recall: Option<f64>,
}

/// A picture that was taken for another type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// Its row number.
    pub row: usize,
    /// What it was taken for.
    pub predicted: BagType,
    /// How sure the softmax was, 0 to 1.
    pub probability: f32,
}

/// A picture that asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Its SHA-256.
    pub picture: ContentId,
    /// Its family.
    pub family: Option<String>,
}

impl Asked {
    fn of(row: &Row) -> Asked {
        Asked { picture: row.sha256.clone(), family: row.family.clone() }
    }

    /// See [`cluster`].
    pub fn cluster(&self) -> &str {
        self.family.as_deref().unwrap_or(self.picture.as_str())
    }
}

/// The run that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunName {
    /// Its folder's name.
    pub name: String,
    /// Its model's content id.
    pub model: ContentId,
    /// The data set that it was trained on; none in evaluations from before this was kept, which are of that very set.
    #[serde(default)]
    pub dataset: Option<ContentId>,
}

/// The data set that was measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetName {
    /// Its folder's name.
    pub name: String,
    /// Its content id.
    pub id: ContentId,
    /// How many pictures it has.
    pub pictures: usize,
    /// The hash of what its pictures are and what is said of them, however they are split; none in an evaluation of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentId>,
}

impl DatasetName {
    /// Of a data set.
    pub fn of(dataset: &Dataset) -> DatasetName {
        let said = |row: &Row| {
            (row.sha256.clone(), row.bag_type.clone(), row.family.clone(), row.item.as_ref().map(|i| i.id.clone()))
        };
        let mut rows: Vec<_> = dataset.rows.iter().map(said).collect();
        rows.sort();
        DatasetName {
            name: dataset.root.file_name().map_or("data set".into(), |n| n.to_string_lossy().into_owned()),
            id: dataset.id().clone(),
            pictures: dataset.rows.len(),
            content: Some(ContentId::of_json(&rows)),
        }
    }
}

/// The run beside the best untouched feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The untouched feature with the highest family Recall@1 on these very queries: chosen with hindsight, which makes it
    /// the harder to beat.
    pub best: String,
    /// The run minus it, family by measure.
    pub family: BTreeMap<Metric, Estimate>,
    /// The same across grounds.
    pub across: Option<BTreeMap<Metric, Estimate>>,
    /// The same for types.
    pub types: Option<BTreeMap<Metric, Estimate>>,
    /// The run minus itself before its first step: what fine-tuning did.
    pub since_start: Option<BTreeMap<Metric, Estimate>>,
}

/// All that was measured of a run, or of the ladder alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The version of this layout.
    pub format: u32,
    /// The first line of every report.
    pub headline: String,
    /// None when the ladder alone was measured.
    pub run: Option<RunName>,
    /// What it was measured on.
    pub dataset: DatasetName,
    /// Which pictures asked.
    pub queries: Queries,
    /// Pictures that did not ask since the run has seen them or what hangs together with them: of its own data set, those of the
    /// test split.
    pub seen: usize,
    /// Every query, by row number: what two runs must share to be compared.
    pub asked: BTreeMap<usize, Asked>,
    /// Of the pictures that asked, those of conventional stores and what hangs together with them: all parts of a cross-validation
    /// ask with them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub evaluation_only: BTreeSet<ContentId>,
    /// Pixels of a side of the untouched trunk's input.
    pub size: u32,
    /// The runs that differ from this one in their seed alone, and how their figures spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<SeedGroup>,
    /// Whose features the run has to beat: "VGG16".
    #[serde(default = "vgg16")]
    pub trunks: String,
    /// How intervals were made.
    pub bootstrap: Bootstrap,
    /// From chance to the run.
    pub rungs: Vec<Rung>,
    /// None without a run or without families.
    pub comparison: Option<Comparison>,
    /// By the query's type.
    pub by_type: Vec<Group>,
    /// By the query's ground; empty where no ground is known.
    pub by_background: Vec<Group>,
    /// None without a run.
    pub classification: Option<Classification>,
}

fn vgg16() -> String {
    Architecture::Vgg16.to_string()
}

impl Evaluation {
    /// Whether the gallery holds pictures that do not ask, of which a run may have learned: answers without them differ.
    pub fn asks_of_a_part(&self) -> bool {
        self.rungs.iter().any(|rung| rung.answers.unseen != rung.answers.family)
    }

    /// Whether the run was trained on the set that it was measured on. The ladder alone has learned from none.
    pub fn is_of_own(&self) -> bool {
        let trained_on = self.run.as_ref().and_then(|run| run.dataset.as_ref());
        trained_on.is_none_or(|dataset| *dataset == self.dataset.id)
    }

    /// What those that ask are called.
    pub fn askers(&self) -> &'static str {
        match (self.queries, self.is_of_own()) {
            (Queries::All, _) => "all pictures",
            (Queries::HeldOut, true) => "held-out pictures",
            (Queries::HeldOut, false) => "pictures that the run has not seen",
        }
    }

    /// The run's rung.
    pub fn of_run(&self) -> Option<&Rung> {
        self.rungs.iter().find(|r| r.kind == Kind::Run)
    }

    /// The untouched feature with the highest family Recall@1.
    pub fn best_untouched(&self) -> Option<&Rung> {
        best_untouched(&self.rungs)
    }

    /// Where an evaluation of a run lies: `evaluation.json` is that of its own data set's test split, beside the untouched trunk at
    /// the run's own size.
    pub fn path(&self, run: &Path, card: &ModelCard) -> PathBuf {
        run.join(format!("evaluation{}.json", self.suffix(card)))
    }

    /// Where its page lies: `report.html` goes with `evaluation.json`.
    pub fn report(&self, run: &Path, card: &ModelCard) -> PathBuf {
        run.join(format!("report{}.html", self.suffix(card)))
    }

    /// What tells it from the run's main one, which is compared with those of other runs; nothing where it is that.
    pub fn suffix(&self, card: &ModelCard) -> String {
        let mut suffix = String::new();
        if self.dataset.id != card.dataset {
            suffix += &format!("-{}", self.dataset.id.short());
        }
        if self.queries == Queries::All {
            suffix += "-all";
        }
        if self.size != card.preprocess.size {
            suffix += &format!("-{}px", self.size);
        }
        suffix
    }

    /// Write it.
    pub fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_vec(self).expect("our own types have string keys and serialise");
        Ok(atomic::write(path, &json)?)
    }

    /// Read one.
    ///
    /// # Errors
    /// Exit 65 for a file that is not there or is none.
    pub fn read(path: &Path) -> Result<Evaluation> {
        let bytes = std::fs::read(path).map_err(|e| CoreError::read(path, "evaluation", e))?;
        let read: Evaluation = serde_json::from_slice(&bytes)
            .map_err(|e| CoreError::data(path, format!("not an evaluation: {e}; `goodtwin eval` makes it anew")))?;
        if read.format != FORMAT {
            let (expected, received) = (FORMAT.to_string(), read.format.to_string());
            return Err(CoreError::Mismatch { path: path.into(), part: "format".into(), expected, received }.into());
        }
        Ok(read)
    }
}

/// The untouched feature with the highest family Recall@1; of several the one with the highest mAP@R.
pub fn best_untouched(rungs: &[Rung]) -> Option<&Rung> {
    let map_r = |r: &Rung| r.family.as_ref().map_or(0.0, |f| f.get(Metric::MapR).value);
    let untouched = rungs.iter().filter(|r| r.kind == Kind::Untouched && r.family.is_some());
    untouched.max_by(|a, b| a.recall_1().total_cmp(&b.recall_1()).then(map_r(a).total_cmp(&map_r(b))))
}
