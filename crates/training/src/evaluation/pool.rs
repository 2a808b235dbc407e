//! Several evaluations as one: those of a cross-validation, whose runs held out other pictures each.
//!
//! A single held-out part has few queries, and an interval as wide as what is to be shown. Over all parts every picture asks
//! once, of a run that has not seen it, and the gallery is always all other pictures of the set. What is for evaluation
//! only is in no run's training split, unless its class had nothing else, so that every part asks with it: each part's answer counts
//! for its share of those.

use std::collections::{BTreeMap, BTreeSet};

use goodtwin_core::ContentId;

use super::conclude::{compare, headline};
use super::{Asked, DatasetName, Evaluation, Kind, Queries, RunName, Rung, best_untouched};
use crate::retrieval::{Answer, Answers};
use crate::{Error, Result};

/// Pool evaluations of runs of one recipe on one set of pictures.
///
/// # Errors
/// Exit 65 when they are of other pictures or settings, or when a picture asked twice that a run may have seen: what differs is
/// named.
pub fn pool(parts: &[Evaluation]) -> Result<Evaluation> {
    let first = &parts[0];
    let name = |part: &Evaluation| part.run.as_ref().map_or("the ladder".into(), |run| run.name.clone());
    let refuse = |part: &Evaluation, what: String| {
        Err(Error::NotComparable(format!("{} and {} cannot be pooled: {what}", name(first), name(part))))
    };
    let mut asked: BTreeMap<usize, Asked> = BTreeMap::new();
    let counts_in = counts_in(parts);
    // Row numbers of each part, moved to where no other part has some.
    let mut moved: Vec<BTreeMap<usize, usize>> = vec![];
    for (number, part) in parts.iter().enumerate() {
        if part.dataset.pictures != first.dataset.pictures {
            let (ours, theirs) = (first.dataset.pictures, part.dataset.pictures);
            return refuse(part, format!("the gallery is of {ours} and of {theirs} pictures"));
        }
        if let (Some(ours), Some(theirs)) = (&first.dataset.content, &part.dataset.content)
            && ours != theirs
        {
            let (ours, theirs) = (ours.short(), theirs.short());
            return refuse(part, format!("their pictures, or what is said of them, differ: {ours} and {theirs}"));
        }
        if part.size != first.size {
            let (ours, theirs) = (first.size, part.size);
            return refuse(part, format!("they were set beside the untouched trunk at {ours} px and at {theirs} px"));
        }
        if (part.queries, part.bootstrap) != (Queries::HeldOut, first.bootstrap) {
            return refuse(part, "expected held-out queries, and one bootstrap".into());
        }
        if part.trunks != first.trunks {
            return refuse(part, format!("they were set beside untouched {} and beside {}", first.trunks, part.trunks));
        }
        let mut places = BTreeMap::new();
        for (row, who) in &part.asked {
            let counted = counts_in[&who.picture];
            if counted != number && part.evaluation_only.contains(&who.picture) {
                continue;
            }
            if counted != number {
                let [one, other] = [number.min(counted), number.max(counted)].map(|n| &parts[n]);
                let (a, b) = (name(one), name(other));
                let what = format!("picture {} asked in {a} and in {b}", who.picture.short());
                return refuse(other, format!("{what}: expected parts that hold out different pictures"));
            }
            places.insert(*row, asked.len());
            asked.insert(asked.len(), who.clone());
        }
        moved.push(places);
    }
    let cluster = |query: usize| asked[&query].cluster();
    let rungs: Vec<Rung> = first
        .rungs
        .iter()
        .filter_map(|rung| {
            let same = |part: &'_ Evaluation| {
                part.rungs.iter().position(|r| (r.kind, &r.features) == (rung.kind, &rung.features) && r.note.is_none())
            };
            let found: Option<Vec<&Rung>> = parts.iter().map(|part| Some(&part.rungs[same(part)?])).collect();
            let all = |of: fn(&Answers) -> &Vec<Answer>| -> Option<Vec<Answer>> {
                let each = found.as_ref()?.iter().zip(&moved).flat_map(|(rung, places)| {
                    let place = move |answer: &Answer| Some(Answer { query: *places.get(&answer.query)?, ..*answer });
                    of(&rung.answers).iter().filter_map(place)
                });
                Some(each.collect())
            };
            let answers = Answers {
                family: all(|a| &a.family)?,
                across: all(|a| &a.across)?,
                unseen: all(|a| &a.unseen)?,
                types: all(|a| &a.types)?,
                nearest: vec![],
            };
            Some(Rung::clustered(rung.features.clone(), rung.kind, answers, &cluster, &first.bootstrap))
        })
        .collect();
    let mut pooled = Evaluation {
        run: Some(RunName {
            name: format!("{} runs", parts.len()),
            model: ContentId::of_json(&parts.iter().map(|p| p.run.as_ref().map(|run| &run.model)).collect::<Vec<_>>()),
            dataset: None,
        }),
        dataset: DatasetName {
            // By name, so that one that is missing is missed.
            name: parts.iter().map(|part| part.dataset.name.as_str()).collect::<Vec<_>>().join(", "),
            id: ContentId::of_json(&parts.iter().map(|part| &part.dataset.id).collect::<Vec<_>>()),
            pictures: first.dataset.pictures,
            content: first.dataset.content.clone(),
        },
        seeds: None,
        comparison: compare(&rungs, &cluster, &first.bootstrap),
        by_type: vec![],
        by_background: vec![],
        classification: None,
        ..first.clone()
    };
    let find = |kind| rungs.iter().find(|rung: &&Rung| rung.kind == kind);
    pooled.headline =
        headline(&first.trunks, first.queries, find(Kind::Run), best_untouched(&rungs), pooled.comparison.as_ref());
    let right = parts.iter().zip(&moved).map(|(part, places)| {
        let classes = part.classification.as_ref()?;
        let right: BTreeSet<usize> = classes.right.iter().filter_map(|row| places.get(row).copied()).collect();
        // A picture of a type that a run does not know is one that it gets wrong.
        Some(places.values().map(move |query| (*query, f64::from(right.contains(query)))).collect::<Vec<_>>())
    });
    let right: Option<Vec<Vec<(usize, f64)>>> = right.collect();
    let accuracy = right
        .and_then(|right| first.bootstrap.mean(right.concat().iter().map(|(query, value)| (cluster(*query), *value))));
    pooled.asked = asked.clone();
    pooled.rungs = rungs;
    if let Some(run) = pooled.rungs.iter_mut().find(|rung| rung.kind == Kind::Run) {
        run.accuracy = accuracy;
    }
    Ok(pooled)
}

/// The part in which a picture counts that several ask with: one after the other, so that no run answers for all of them.
fn counts_in(parts: &[Evaluation]) -> BTreeMap<&ContentId, usize> {
    let mut asked_in: BTreeMap<&ContentId, Vec<usize>> = BTreeMap::new();
    for (number, part) in parts.iter().enumerate() {
        let pictures: BTreeSet<&ContentId> = part.asked.values().map(|who| &who.picture).collect();
        for picture in pictures {
            asked_in.entry(picture).or_default().push(number);
        }
    }
    asked_in.into_iter().enumerate().map(|(n, (picture, parts))| (picture, parts[n % parts.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::part;
    use super::*;
    use crate::retrieval::Metric;

    #[test]
    fn parts_are_asked_together() {
        let (good, bad) = ([1, 1, 1, 1, 1, 1, 1, 7], [1, 7, 7, 7, 7, 7, 7, 7]);
        let parts = [part(0, &good, &bad), part(8, &good, &good), part(16, &good, &bad)];
        let pooled = pool(&parts).unwrap();
        assert_eq!(pooled.asked.len(), 24);
        let run = pooled.of_run().unwrap().family.as_ref().unwrap();
        assert_eq!((run.queries, run.families, run.get(Metric::Recall1).value), (24, 12, 21.0 / 24.0));
        let comparison = pooled.comparison.as_ref().unwrap();
        assert_eq!(comparison.best, "good");
        assert_eq!(comparison.family[&Metric::Recall1].value, (21.0 - 9.0) / 24.0);
        let width = |e: &Evaluation| {
            let [low, high] = e.comparison.as_ref().unwrap().family[&Metric::Recall1].interval.unwrap();
            high - low
        };
        assert!(width(&pooled) < 2.0 * width(&parts[0]));
        assert!(pooled.headline.contains("(24 queries of 12 families)"), "{}", pooled.headline);
    }

    #[test]
    fn a_picture_that_no_run_may_have_seen_counts_in_one_part() {
        let found = [1; 8];
        // Four pictures are in both parts.
        let mut parts = [part(0, &found, &found), part(4, &[7; 8], &found)];
        let shared: BTreeSet<ContentId> = (4..8).map(|i| ContentId::of(i.to_string())).collect();
        for part in &mut parts {
            part.evaluation_only = shared.clone();
        }
        let pooled = pool(&parts).unwrap();
        assert_eq!(pooled.asked.len(), 12);
        let figures = pooled.of_run().unwrap().family.as_ref().unwrap();
        let found_of_shared = (figures.get(Metric::Recall1).value * 12.0).round() - 4.0;
        assert!((1.0..4.0).contains(&found_of_shared), "both runs answer for some: {found_of_shared}");
        parts.iter_mut().for_each(|part| drop(part.evaluation_only.pop_first()));
        assert_eq!(pool(&parts).unwrap_err().exit_code(), 65);
    }

    #[test]
    fn parts_that_were_set_beside_other_trunks_are_refused() {
        let found = [1; 8];
        let mut parts = [part(0, &found, &found), part(8, &found, &found)];
        parts[1].trunks = "VGG16 and ResNet-50".into();
        let error = pool(&parts).unwrap_err();
        assert!(error.to_string().contains("beside untouched VGG16 and beside VGG16 and ResNet-50"), "{error}");
        assert_eq!(error.exit_code(), 65);
    }

    #[test]
    fn parts_of_other_pictures_or_sizes_are_refused() {
        let found = [1; 8];
        let with = |change: fn(&mut Evaluation, usize)| {
            let mut parts = [part(0, &found, &found), part(8, &found, &found)];
            parts.iter_mut().enumerate().for_each(|(number, part)| change(part, number));
            pool(&parts)
        };
        with(|part, _| part.dataset.content = Some(ContentId::of("one set"))).unwrap();
        let error = with(|part, number| part.dataset.content = Some(ContentId::of(number.to_string()))).unwrap_err();
        assert!(error.to_string().contains("their pictures, or what is said of them, differ"), "{error}");
        let error = with(|part, number| part.size = [32, 64][number]).unwrap_err();
        assert!(error.to_string().contains("the untouched trunk at 32 px and at 64 px"), "{error}");
    }

    #[test]
    fn a_picture_that_asked_twice_is_refused() {
        let found = [1; 8];
        let error = pool(&[part(0, &found, &found), part(6, &found, &found)]).unwrap_err();
        assert!(error.to_string().contains("expected parts that hold out different pictures"), "{error}");
        let error = pool(&[part(0, &found, &found), part(8, &[1; 4], &[1; 4])]).unwrap_err();
        assert!(error.to_string().contains("the gallery is of 8 and of 4 pictures"), "{error}");
        assert_eq!(error.exit_code(), 65);
    }
}
