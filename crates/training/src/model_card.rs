//! `README.md` of a run's folder: a model card in Hugging Face's layout. Every figure in it is one that the run or its
//! evaluation has written.

use std::fmt::Write;

use goodtwin_core::terminal::one_line;
use goodtwin_vision::ModelCard;
use serde_json::Value;

use crate::evaluation::Evaluation;
use crate::recipe::{self, FineTune, Recipe};
use crate::retrieval::{Figures, Metric};

/// The card. Without an evaluation it has what the run noted of itself, and says what is missing.
pub fn markdown(name: &str, card: &ModelCard, evaluation: Option<&Evaluation>) -> String {
    let mut text = front_matter(name, card, evaluation);
    let _ = writeln!(text, "\n# {}\n", one_line(name));
    let _ = match evaluation {
        Some(e) => writeln!(text, "{}\n", one_line(&e.headline)),
        None => {
            writeln!(text, "Not set beside the untouched trunk yet: `goodtwin eval` does, and writes this card anew.\n")
        }
    };
    let network = &card.network;
    let classes: Vec<&str> = network.classes.iter().map(|c| c.as_str()).collect();
    let learnt = block5_learnt(&card.recipe);
    let _ = writeln!(
        text,
        "Embeds pictures of bags, so that bags that look alike lie close together, and names their type. {} with {}a dense \
         layer of {} and a softmax over {} types fine-tuned: {}. Input: {}.\n",
        network.trunk,
        if learnt { "its last block, " } else { "" },
        network.dense,
        classes.len(),
        one_line(&classes.join(", ")),
        card.preprocess.describe(),
    );
    text += "## What it finds\n\n";
    match evaluation {
        Some(e) => text += &figures(e),
        None => {
            text += "| noted by the run | |\n|---|---|\n";
            for (key, value) in &card.metrics {
                let _ = writeln!(text, "| {key} | {value:.4} |");
            }
        }
    }
    if let Some(group) = evaluation.and_then(|e| e.seeds.as_ref()) {
        let _ = write!(
            text,
            "\n## How far it is luck\n\n{}; the spread is the sample's standard deviation.\n\n",
            group.title()
        );
        text += "| figure | mean | spread |\n|---|---|---|\n";
        for (figure, spread) in &group.figures {
            let _ = writeln!(text, "| {figure} | {:.4} | {:.4} |", spread.mean, spread.deviation.unwrap_or(0.0));
        }
    }
    text += "\n## Limits\n\n\
             - It was measured on pictures of the same sources as it was trained on; other shops' pictures are another question.\n\
             - A figure of a few dozen queries moves by some hundredths with the choice of families: read the intervals.\n\
             - A type that it does not know is always taken for one that it knows.\n\
             - It says what looks alike, not what is well made, fair or for sale.\n\n\
             ## Where it came from\n\n| | |\n|---|---|\n";
    for (what, id) in [
        ("model", &card.id),
        ("weights (SHA-256 of model.safetensors)", &card.weights),
        ("weights that it started from", &network.trunk_sha256),
        ("preprocessing", &card.preprocess_id),
        ("data set", &card.dataset),
    ] {
        let _ = writeln!(text, "| {what} | `{id}` |");
    }
    let _ = writeln!(text, "| trained on | {} |", one_line(&card.device));
    let (language, recipe) = recipe::shown(&card.recipe);
    let _ = write!(text, "\n## Recipe\n\n```{language}\n{}\n```\n", recipe.trim_end());
    if network.trunk.is_default() {
        text += "\n## Credit\n\nThe convolutions are VGG16's, trained on ImageNet by Karen Simonyan and Andrew Zisserman, Visual \
                 Geometry Group, University of Oxford (arXiv:1409.1556), under CC BY 4.0. ";
        text += match learnt {
            true => "Block 5 was changed by training; blocks 1 to 4 are theirs, rounded to 16 bits.\n",
            false => "They are theirs, rounded to 16 bits.\n",
        };
    }
    text
}

/// Whether block 5 was fine-tuned, by the recipe that a model's card has.
fn block5_learnt(recipe: &Value) -> bool {
    serde_json::from_value::<Recipe>(recipe.clone())
        .map_or(true, |recipe| recipe.optimizer.fine_tune_from == FineTune::Block5)
}

fn front_matter(name: &str, card: &ModelCard, evaluation: Option<&Evaluation>) -> String {
    let mut text =
        "---\nlibrary_name: goodtwin\npipeline_tag: image-feature-extraction\ntags:\n- image-retrieval\n- bags\n"
            .to_string();
    if card.network.trunk.is_default() {
        text += "license: cc-by-4.0\n";
    }
    let run = evaluation.and_then(|e| Some((e, e.of_run()?)));
    if let Some((e, rung)) = run {
        let _ = write!(
            text,
            "model-index:\n- name: {}\n  results:\n  - task:\n      type: image-feature-extraction\n      name: retrieval of \
             held-out families\n    dataset:\n      type: {}\n      name: {1}\n      revision: {}\n      split: test\n    metrics:\n",
            Value::from(name),
            Value::from(e.dataset.name.as_str()),
            e.dataset.id,
        );
        for (prefix, found) in [("family", &rung.family), ("type", &rung.types)] {
            let Some(found) = found else { continue };
            for metric in Metric::ALL {
                let (name, value) = (metric.name(), found.get(metric).value);
                let _ = writeln!(
                    text,
                    "    - type: {}\n      name: {prefix} {name}\n      value: {value:.4}",
                    name.to_lowercase()
                );
            }
        }
        if let Some(accuracy) = rung.accuracy {
            let _ = writeln!(text, "    - type: accuracy\n      name: accuracy\n      value: {:.4}", accuracy.value);
        }
    }
    text + "---\n"
}

fn figures(e: &Evaluation) -> String {
    let mut text = String::new();
    type Of = fn(&crate::evaluation::Rung) -> &Option<Figures>;
    let mut questions: Vec<(&str, Of)> = vec![("family", |r| &r.family), ("family across grounds", |r| &r.across)];
    if e.asks_of_a_part() {
        questions.push(("family, held-out pictures alone in the gallery", |r| &r.unseen));
    }
    questions.push(("type", |r| &r.types));
    for (what, figures) in questions {
        let Some(any) = e.rungs.iter().find_map(|r| figures(r).as_ref()) else { continue };
        let _ = write!(text, "| {what}, {} queries of {} families |", any.queries, any.families);
        for metric in Metric::ALL {
            let _ = write!(text, " {} |", metric.name());
        }
        text += "\n|---|---|---|---|---|---|\n";
        for rung in &e.rungs {
            let Some(found) = figures(rung) else { continue };
            let _ = write!(text, "| {} |", one_line(&rung.features));
            for metric in Metric::ALL {
                let _ = write!(text, " {} |", found.get(metric));
            }
            text += "\n";
        }
        text += "\n";
    }
    if let Some(classes) = &e.classification {
        let (accuracy, pictures, strangers) = (classes.accuracy, classes.pictures, classes.strangers());
        let _ = writeln!(text, "Accuracy of the softmax: {accuracy} on {pictures} pictures{strangers}.\n");
        text += "| class | pictures | precision | recall |\n|---|---|---|---|\n";
        let share = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.3}"));
        for c in &classes.classes {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                one_line(c.class.as_str()),
                c.pictures,
                share(c.precision),
                share(c.recall)
            );
        }
    }
    for rung in e.rungs.iter().filter(|r| r.note.is_some()) {
        let _ = writeln!(text, "\n{}: {}.", one_line(&rung.features), rung.note.as_deref().unwrap_or_default());
    }
    let _ = writeln!(
        text,
        "\nIntervals are 95 %, from {} resamples that draw families (seed {}).",
        e.bootstrap.resamples, e.bootstrap.seed
    );
    text
}

/// Cards for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::collections::BTreeMap;

    use goodtwin_core::ContentId;
    use goodtwin_vision::preprocess::{Colour, Crop, Fit, Values};
    use goodtwin_vision::top::Activation;
    use goodtwin_vision::{Architecture, ModelCard, NetworkSpec, Pooling, Preprocess};
    use serde_json::Value;

    /// Of a run with this recipe, which has measured nothing.
    pub fn card(recipe: Value) -> ModelCard {
        let (id, crops, values) = (ContentId::of("x"), vec![Crop::Whole], Values::Caffe);
        let preprocess = Preprocess { size: 48, colour: Colour::Full, fit: Fit::Pad, crops, values };
        ModelCard {
            format: 1,
            id: id.clone(),
            weights: id.clone(),
            network: NetworkSpec {
                trunk: Architecture::Vgg16,
                trunk_sha256: id.clone(),
                pooling: Pooling::Gem,
                block5_weight: 1.0,
                crops: 1,
                dense: 2,
                activation: Activation::None,
                dropout: 0.0,
                classes: vec![],
            },
            preprocess_id: preprocess.id(),
            preprocess,
            dataset: id,
            device: "cpu".into(),
            recipe,
            metrics: BTreeMap::new(),
        }
    }
}
