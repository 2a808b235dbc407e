//! From measured rungs to what they come to: comparison, groups, and the honest line.

use std::collections::{BTreeMap, BTreeSet};

use goodtwin_core::{Dataset, Row};

use super::{
    Asked, Classification, Comparison, DatasetName, Evaluation, FORMAT, Group, Kind, Queries, RunName, Rung,
    best_untouched,
};
use crate::bootstrap::Bootstrap;
use crate::retrieval::{Answers, Cluster, Figures, Metric, cluster, difference};
use crate::seed_group::SeedGroup;

/// What the measured rungs come to.
pub struct Measured<'a> {
    /// The data set.
    pub dataset: &'a Dataset,
    /// The run's name, if there is one.
    pub run: Option<RunName>,
    /// Which pictures asked.
    pub queries: Queries,
    /// How many did not since they were seen.
    pub seen: usize,
    /// Of the rows that asked, those that hang together with what is for evaluation only.
    pub for_evaluation: BTreeSet<usize>,
    /// Whose features the run has to beat: "VGG16".
    pub trunks: String,
    /// The untouched trunk's input.
    pub size: u32,
    /// The runs that differ from this one in their seed alone.
    pub seeds: Option<SeedGroup>,
    /// How intervals are made.
    pub bootstrap: Bootstrap,
    /// From chance to the run.
    pub rungs: Vec<Rung>,
    /// What the softmax said.
    pub classification: Option<Classification>,
}

impl Measured<'_> {
    /// Compare the rungs, and say in one line what it comes to.
    pub fn conclude(self) -> Evaluation {
        let rows = &self.dataset.rows;
        let run = self.rungs.iter().find(|r| r.kind == Kind::Run);
        let best = best_untouched(&self.rungs);
        let comparison = compare(&self.rungs, &|i| cluster(&rows[i]), &self.bootstrap);
        let subject = run.or(best);
        let groups = |name: &dyn Fn(&Row) -> String| -> Vec<Group> {
            let Some(subject) = subject else { return Vec::new() };
            let theirs = best.filter(|best| best.kind != subject.kind);
            groups(&subject.answers, theirs.map(|r| &r.answers), rows, &self.bootstrap, name)
        };
        let grounds = rows.iter().any(|r| r.background.is_some());
        let asked: BTreeMap<usize, Asked> = subject
            .iter()
            .flat_map(|s| s.answers.family.iter().chain(&s.answers.types))
            .map(|a| (a.query, Asked::of(&rows[a.query])))
            .collect();
        Evaluation {
            format: FORMAT,
            headline: headline(&self.trunks, self.queries, run, best, comparison.as_ref()),
            dataset: DatasetName::of(self.dataset),
            evaluation_only: asked
                .iter()
                .filter(|(query, _)| self.for_evaluation.contains(*query))
                .map(|(_, asked)| asked.picture.clone())
                .collect(),
            asked,
            by_type: groups(&|row| row.bag_type.to_string()),
            by_background: if grounds {
                groups(&|row| row.background.clone().unwrap_or("not known".into()))
            } else {
                Vec::new()
            },
            comparison,
            run: self.run,
            queries: self.queries,
            seen: self.seen,
            size: self.size,
            seeds: self.seeds,
            trunks: self.trunks,
            bootstrap: self.bootstrap,
            rungs: self.rungs,
            classification: self.classification,
        }
    }
}

/// The run beside the best untouched feature; none where one of them has no figures.
pub(super) fn compare<'a>(rungs: &[Rung], cluster: Cluster<'_, 'a>, bootstrap: &Bootstrap) -> Option<Comparison> {
    let find = |kind| rungs.iter().find(|r: &&Rung| r.kind == kind);
    let (run, best) = (find(Kind::Run)?, best_untouched(rungs)?);
    let minus = |ours, theirs| difference(ours, theirs, cluster, bootstrap);
    Some(Comparison {
        best: best.features.clone(),
        family: minus(&run.answers.family, &best.answers.family)?,
        across: minus(&run.answers.across, &best.answers.across),
        types: minus(&run.answers.types, &best.answers.types),
        since_start: find(Kind::Start).and_then(|start| minus(&run.answers.family, &start.answers.family)),
    })
}

fn groups(
    ours: &Answers,
    theirs: Option<&Answers>,
    rows: &[Row],
    bootstrap: &Bootstrap,
    name: &dyn Fn(&Row) -> String,
) -> Vec<Group> {
    let mut by_name: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for answer in &ours.family {
        by_name.entry(name(&rows[answer.query])).or_default().push(*answer);
    }
    let group = |(name, answers): (String, Vec<_>)| {
        Some(Group {
            name,
            family: Figures::of(&answers, &|i| cluster(&rows[i]), bootstrap)?,
            difference: theirs
                .and_then(|theirs| difference(&answers, &theirs.family, &|i| cluster(&rows[i]), bootstrap)),
        })
    };
    by_name.into_iter().filter_map(group).collect()
}

/// The honest line: what the run finds, and whether that is more than the trunk finds untouched.
pub(super) fn headline(
    trunks: &str,
    queries: Queries,
    run: Option<&Rung>,
    best: Option<&Rung>,
    comparison: Option<&Comparison>,
) -> String {
    let found = |rung: &Rung| {
        rung.family.as_ref().map(|f| {
            let (queries, families) = (f.queries, f.families);
            format!("family Recall@1 {} ({queries} queries of {families} families)", f.get(Metric::Recall1))
        })
    };
    let Some(best) = best else {
        return "Nothing was measured of families: no picture that may ask has another of its family in the set."
            .into();
    };
    let best_found = found(best).expect("the best untouched feature has figures");
    let Some((run, comparison)) = run.zip(comparison) else {
        return format!("The best untouched feature is {}: {best_found}.", best.features);
    };
    let difference = comparison.family[&Metric::Recall1];
    let verdict = if difference.is_above_zero() {
        "Better than"
    } else if difference.value > 0.0 {
        "Not shown to be better than"
    } else {
        "Not better than"
    };
    let interval = match difference.interval {
        Some([low, high]) if difference.is_above_zero() => format!("{low:+.3} to {high:+.3}, above zero"),
        Some([low, high]) => format!("{low:+.3} to {high:+.3}, not above zero"),
        None => "of one family only, no interval".into(),
    };
    let asked = match queries {
        Queries::HeldOut => "",
        Queries::All => " where every picture asks, whether the run has learned from it or not",
    };
    format!(
        "{verdict} untouched {trunks}{asked}: {}, {:+.3} against its best feature, {} ({:.3}); the difference is {interval}.",
        found(run).expect("a run that was compared has figures"),
        difference.value,
        best.features,
        best.recall_1(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::conclude;
    use super::*;

    #[test]
    fn the_first_line_says_whether_the_trunk_is_beaten() {
        let mostly = |right: usize| (0..40).map(|i| if i < right { 1 } else { 7 }).collect::<Vec<_>>();
        let line = conclude(&mostly(36), &mostly(10)).headline;
        assert!(line.starts_with("Better than untouched VGG16: family Recall@1 0.900 ["), "{line}");
        assert!(line.contains("(40 queries of 20 families), +0.650 against its best feature, good (0.250)"), "{line}");
        assert!(line.ends_with(", above zero."), "{line}");
        let line = conclude(&mostly(11), &mostly(10)).headline;
        assert!(line.starts_with("Not shown to be better than untouched VGG16") && line.contains("not above zero"));
        let line = conclude(&mostly(8), &mostly(10)).headline;
        assert!(line.starts_with("Not better than untouched VGG16"), "{line}");
        assert!(conclude(&[], &[]).headline.starts_with("Nothing was measured"));
    }

    #[test]
    fn where_every_picture_asks_the_first_line_says_so() {
        let mut made = conclude(&[1; 8], &[7; 8]);
        let (run, best) = (made.of_run().unwrap(), made.best_untouched().unwrap());
        let line = headline("VGG16", Queries::All, Some(run), Some(best), made.comparison.as_ref());
        let says =
            "Better than untouched VGG16 where every picture asks, whether the run has learned from it or not: family";
        assert!(line.starts_with(says), "{line}");
        assert_eq!((made.is_of_own(), made.askers()), (true, "held-out pictures"));
        made.run.as_mut().unwrap().dataset = Some(goodtwin_core::ContentId::of("another"));
        assert_eq!((made.is_of_own(), made.askers()), (false, "pictures that the run has not seen"));
    }

    #[test]
    fn types_are_measured_apart_and_what_is_written_is_read() {
        let made = conclude(&[1, 1, 1, 1, 7, 7, 7, 7], &[1, 1, 7, 7, 7, 7, 7, 7]);
        let by_type: Vec<_> =
            made.by_type.iter().map(|g| (g.name.as_str(), g.family.get(Metric::Recall1).value)).collect();
        assert_eq!(by_type, [("clutch", 0.0), ("tote", 1.0)]);
        assert_eq!(made.by_type[1].difference.as_ref().unwrap()[&Metric::Recall1].value, 0.5);
        assert!(made.by_background.is_empty(), "no ground is known");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("evaluation.json");
        made.write(&path).unwrap();
        assert_eq!(Evaluation::read(&path).unwrap(), made);
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(Evaluation::read(&path).unwrap_err().exit_code(), 65);
    }
}
