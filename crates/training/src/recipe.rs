//! Every setting of a run. Nothing about training is decided anywhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use goodtwin_core::config;
use goodtwin_vision::preprocess::{Crop, Values};
use goodtwin_vision::top::Activation;
use goodtwin_vision::{Architecture, Pooling, Preprocess};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result};

/// A recipe: `configs/training.toml`, `configs/recipes/*.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What reports call it.
    pub name: String,
    /// Seeds weights, shuffling, dropout and which view a step takes. What the views are follows from the picture.
    pub seed: u64,
    /// Passes over the training split.
    pub epochs: usize,
    /// Pictures a step.
    pub batch_size: usize,
    /// The network whose top is fine-tuned.
    // Left out where it is the default, so that runs from before there was a choice keep their ids.
    #[serde(default, skip_serializing_if = "Architecture::is_default")]
    pub trunk: Architecture,
    /// The input.
    pub preprocess: Preprocess,
    /// The layers above block 5: that of VGG16, or stage 4 of ResNet-50.
    pub head: Head,
    /// The steps.
    pub optimizer: Optimizer,
    /// What families teach.
    #[serde(default)]
    pub family: Family,
    /// The views of a picture beside itself.
    pub augment: Augment,
}

/// The layers above block 5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// What the dense layer sees.
    pub pooling: Pooling,
    /// How much block 5 counts beside block 4, with `pooling` "joint" or "masked".
    #[serde(default = "even")]
    pub block5_weight: f64,
    /// Units of the dense layer, at most: whitening has no more directions than the dense layer sees values.
    pub dense: usize,
    /// What follows it.
    pub activation: Activation,
    /// The share of its outputs that is dropped in training.
    pub dropout: f64,
    /// How it starts.
    pub start: Start,
    /// With `start` "whitening": how far the directions are held down in which views of one picture differ. 0 not at all.
    #[serde(default)]
    pub view_invariance: f64,
    /// The same for the directions in which pictures of one family differ.
    #[serde(default)]
    pub family_invariance: f64,
}

fn even() -> f64 {
    1.0
}

/// How the dense layer starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// At random.
    Random,
    /// From the principal components of the training split's pooled features, and the softmax from the means of its classes.
    Whitening,
}

/// The steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Which rule.
    pub rule: Rule,
    /// The lowest layer that learns.
    #[serde(default)]
    pub fine_tune_from: FineTune,
    /// The learning rate of block 5's convolutions.
    pub block5: f64,
    /// The learning rate of the dense layer.
    pub dense: f64,
    /// The learning rate of the softmax layer.
    pub classifier: f64,
    /// How the learning rates go over the run.
    pub schedule: Schedule,
    /// Epochs, or a part of one, on which the learning rates rise from nothing.
    #[serde(default)]
    pub warm_up: f64,
    /// The share of the average over the weights that a step keeps, such as 0.99; 0 is no average but the last weights.
    #[serde(default)]
    pub averaging: f64,
    /// What the softmax is told: 0 is all or nothing, 0.1 leaves a tenth for the other classes.
    pub label_smoothing: f32,
    /// How far rare classes weigh more: 0 not at all, 1 until every class weighs the same.
    #[serde(default)]
    pub class_balance: f64,
}

/// How a gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// RMSprop as Keras 2 had it: rho 0.9, no momentum, epsilon 1e-7.
    Rmsprop,
    /// AdamW (Loshchilov and Hutter 2019): betas 0.9 and 0.999, epsilon 1e-8, weight decay 1e-4.
    Adamw,
}

/// The lowest layer that learns; those above it do as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FineTune {
    /// Block 5's convolutions.
    #[default]
    Block5,
    /// The dense layer: block 5 stays as ImageNet left it, and a step costs a fraction.
    Dense,
}

/// A loss over families, beside the softmax over types and on the same penultimate layer. Families of the training split
/// alone take part, and nothing of it is in the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Family {
    /// Which loss.
    pub loss: FamilyLoss,
    /// How much it counts where the types' loss counts 1.
    pub weight: f64,
    /// What cosines are divided by before the softmax.
    pub temperature: f64,
    /// What is added to the angle to the right family: normalised softmax only.
    pub margin: f64,
}

impl Default for Family {
    fn default() -> Family {
        Family { loss: FamilyLoss::None, weight: 1.0, temperature: 0.1, margin: 0.0 }
    }
}

/// A loss over families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FamilyLoss {
    /// Types alone teach.
    #[default]
    None,
    /// Supervised contrastive: a batch has each picture beside another of its family or, where it has none, another view.
    Supcon,
    /// A softmax over the families of at least two pictures, by angles; with a margin it is ArcFace.
    NormalisedSoftmax,
}

/// How the learning rates go over the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// As they are.
    Constant,
    /// Down to nothing along half a cosine.
    Cosine,
}

/// The views of a picture beside itself: fixed by its bytes, so that the trunk sees each only once, whatever the seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// How many views. A step sees each picture in one of them or as it is.
    pub views: usize,
    /// The share of views on which a bag on a plain ground is cut out and laid on a made-up one.
    #[serde(default)]
    pub grounds: f64,
    /// Turned by up to so many degrees either way.
    pub rotation: f32,
    /// Moved by up to this share of the side, both ways.
    pub shift: f32,
    /// Half of the views are mirrored.
    pub flip: bool,
}

impl Recipe {
    /// Read a recipe and check each value.
    ///
    /// # Errors
    /// Exit 2 with the file, the key, its value and what was expected.
    pub fn load(path: &Path) -> Result<Recipe> {
        let mut recipe: Recipe = config::load(path)?;
        let given = std::mem::replace(&mut recipe.preprocess.values, recipe.trunk.values());
        let agree = given == Values::default() || given == recipe.trunk.values();
        let checked = match agree {
            true => recipe.check(),
            false => {
                Err(format!("`preprocess.values` is not what {} was trained on: leave the line out", recipe.trunk))
            }
        };
        checked.map_err(|what| Error::Recipe { config: path.into(), what })?;
        Ok(recipe)
    }

    /// The most pictures that a step sees, of so many to train on: in pairs, each comes with another.
    pub fn batch(&self, pictures: usize) -> usize {
        self.batch_size.min(if self.family.loss == FamilyLoss::Supcon { 2 * pictures } else { pictures })
    }

    /// Say which value is out of its range.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.preprocess.check().map_err(|e| e.to_string())?;
        let expect = |holds: bool, key: &str, value: &dyn std::fmt::Display, expected: &str| match holds {
            true => Ok(()),
            false => Err(format!("`{key}` is {value}: expected {expected}")),
        };
        let names_a_folder = !self.name.is_empty()
            && self.name.len() <= 100
            && !self.name.starts_with(['.', '-'])
            && self.name.chars().all(|c| c.is_alphanumeric() || "-_. ".contains(c));
        let name = format!("\"{}\"", self.name.escape_debug());
        let folder =
            "letters, digits, `-`, `_`, `.` and blanks, not begun by `-` or `.`, since the run's folder is called so";
        expect(names_a_folder, "name", &name, folder)?;
        expect((1..=10_000).contains(&self.epochs), "epochs", &self.epochs, "1 to 10000")?;
        expect((1..=4096).contains(&self.batch_size), "batch_size", &self.batch_size, "1 to 4096")?;
        expect((2..=8192).contains(&self.head.dense), "head.dense", &self.head.dense, "2 to 8192")?;
        let dropout = self.head.dropout;
        expect((0.0..1.0).contains(&dropout), "head.dropout", &dropout, "0 up to, not including, 1")?;
        let masked = self.head.pooling == Pooling::Masked;
        let crops = serde_json::to_string(&self.preprocess.crops).expect("names serialise");
        let whole = self.preprocess.crops == [Crop::Whole];
        expect(
            !masked || whole,
            "preprocess.crops",
            &crops,
            "[\"whole\"] with `head.pooling` \"masked\", which finds the bag",
        )?;
        let weight = self.head.block5_weight;
        expect(weight > 0.0 && weight <= 100.0, "head.block5_weight", &weight, "above 0, up to 100")?;
        for (key, k) in
            [("view_invariance", self.head.view_invariance), ("family_invariance", self.head.family_invariance)]
        {
            expect((0.0..=100.0).contains(&k), &format!("head.{key}"), &k, "0 to 100")?;
        }
        let o = &self.optimizer;
        for (key, rate) in [("block5", o.block5), ("dense", o.dense), ("classifier", o.classifier)] {
            let key = format!("optimizer.{key}");
            expect(rate > 0.0 && rate <= 1.0, &key, &rate, "a learning rate above 0, up to 1")?;
        }
        let smoothing = o.label_smoothing;
        expect((0.0..1.0).contains(&smoothing), "optimizer.label_smoothing", &smoothing, "0 up to, not including, 1")?;
        let within = |from: f64, to: f64, value: f64| value >= from && value <= to;
        let epochs = self.epochs as f64;
        expect(within(0.0, epochs, o.warm_up), "optimizer.warm_up", &o.warm_up, "0 up to all epochs")?;
        expect(within(0.0, 0.99999, o.averaging), "optimizer.averaging", &o.averaging, "0 up to, not including, 1")?;
        expect(within(0.0, 1.0, o.class_balance), "optimizer.class_balance", &o.class_balance, "0 to 1")?;
        let f = &self.family;
        expect(f.weight > 0.0 && f.weight <= 100.0, "family.weight", &f.weight, "above 0, up to 100")?;
        expect(within(0.005, 10.0, f.temperature), "family.temperature", &f.temperature, "0.005 to 10")?;
        expect(within(0.0, 1.0, f.margin), "family.margin", &f.margin, "0 to 1 radian")?;
        let margin = f.margin == 0.0 || f.loss == FamilyLoss::NormalisedSoftmax;
        expect(margin, "family.margin", &f.margin, "0 but with `family.loss` \"normalised-softmax\"")?;
        let alone = f.loss == FamilyLoss::Supcon && self.batch_size < 4;
        expect(!alone, "batch_size", &self.batch_size, "at least 4 with `family.loss` \"supcon\": two pairs")?;
        let a = &self.augment;
        expect(a.views <= 100, "augment.views", &a.views, "0 to 100")?;
        let nothing_to_see = a.views == 0 && self.head.view_invariance > 0.0;
        expect(!nothing_to_see, "augment.views", &a.views, "at least 1 with `head.view_invariance`: views to compare")?;
        expect(within(0.0, 1.0, a.grounds), "augment.grounds", &a.grounds, "0 to 1")?;
        expect((0.0..=180.0).contains(&a.rotation), "augment.rotation", &a.rotation, "0 to 180 degrees")?;
        expect((0.0..=0.5).contains(&a.shift), "augment.shift", &a.shift, "0 to 0.5 of the side")
    }
}

/// The recipe that a model carries, for people, and the language that it is in: TOML, to be trained with again; JSON where it is
/// of another version.
pub fn shown(recipe: &Value) -> (&'static str, String) {
    let own = serde_json::from_value::<Recipe>(recipe.clone()).ok();
    match own.and_then(|recipe| config::to_toml(&recipe).ok()) {
        Some(toml) => ("toml", toml),
        None => ("json", serde_json::to_string_pretty(recipe).expect("a JSON value serialises")),
    }
}

/// One of its values. JSON's values have f32 settings as f64, whose shortest digits are many and were written by nobody.
pub fn value_shown(value: &Value) -> String {
    let single = value.as_f64().filter(|v| value.is_f64() && f64::from(*v as f32) == *v);
    single.map_or(value.to_string(), |v| format!("{:?}", v as f32))
}

/// The values that two recipes as JSON do not share, by their dotted keys.
pub fn differences(a: &Value, b: &Value) -> BTreeMap<String, [Value; 2]> {
    let (mut a_leaves, mut b_leaves) = (BTreeMap::new(), BTreeMap::new());
    leaves("", a, &mut a_leaves);
    leaves("", b, &mut b_leaves);
    let keys: BTreeSet<&String> = a_leaves.keys().chain(b_leaves.keys()).collect();
    let of = |leaves: &BTreeMap<String, Value>, key: &String| leaves.get(key).cloned().unwrap_or(Value::Null);
    keys.into_iter()
        .map(|key| (key.clone(), [of(&a_leaves, key), of(&b_leaves, key)]))
        .filter(|(_, [a, b])| a != b)
        .collect()
}

fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(&path, value, found);
            }
        }
        leaf => drop(found.insert(path.into(), leaf.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn configs() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
    }

    #[test]
    fn recipes_differ_by_their_leaves() {
        let a = json!({"name": "a", "head": {"dense": 512, "pooling": "joint"}, "seed": 7});
        let b = json!({"name": "b", "head": {"dense": 512, "pooling": "gem", "new": 1}, "seed": 7});
        let differs = differences(&a, &b);
        let keys: Vec<&str> = differs.keys().map(String::as_str).collect();
        assert_eq!(keys, ["head.new", "head.pooling", "name"]);
        assert_eq!(differs["head.new"], [Value::Null, 1.into()]);
    }

    #[test]
    fn the_recipes_that_ship_are_sound() {
        Recipe::load(&configs().join("training.toml")).unwrap();
        for entry in std::fs::read_dir(configs().join("recipes")).unwrap() {
            Recipe::load(&entry.unwrap().path()).unwrap();
        }
        let seed = Recipe::load(&configs().join("recipes/seed.toml")).unwrap();
        assert_eq!((seed.preprocess.size, seed.head.dense, seed.batch_size, seed.epochs), (48, 1024, 50, 30));
    }

    #[test]
    fn a_trunk_is_one_line_and_brings_its_values() {
        let text = std::fs::read_to_string(configs().join("training.toml")).unwrap();
        let text: String = text.lines().filter(|l| !l.starts_with("trunk")).map(|l| format!("{l}\n")).collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recipe.toml");
        let load = |text: String| {
            std::fs::write(&path, text).unwrap();
            Recipe::load(&path)
        };
        let (left_out, named) = (load(text.clone()).unwrap(), load(format!("trunk = 'vgg16'\n{text}")).unwrap());
        assert_eq!((left_out.trunk, &left_out), (Architecture::Vgg16, &named));
        assert!(serde_json::to_value(&named).unwrap().get("trunk").is_none(), "older runs keep their ids");
        let residual = load(format!("trunk = 'resnet50'\n{text}")).unwrap();
        assert_eq!((residual.trunk, residual.preprocess.values), (Architecture::Resnet50, Values::Torchvision));
        let json = serde_json::to_string(&residual).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), residual);
        let error = load(text.replace("[preprocess]", "[preprocess]\nvalues = 'torchvision'")).unwrap_err();
        assert!(error.to_string().contains("leave the line out"), "{error}");
        let error = load(format!("trunk = 'vgg19'\n{text}")).unwrap_err();
        assert!(error.to_string().contains("vgg16") && error.exit_code() == 2, "{error}");
    }

    #[test]
    fn a_models_recipe_is_shown_as_it_can_be_written() {
        let mut recipe = Recipe::load(&configs().join("training.toml")).unwrap();
        (recipe.optimizer.label_smoothing, recipe.head.dropout) = (0.05, 0.45454545454545453);
        let value = serde_json::to_value(&recipe).unwrap();
        let (language, text) = shown(&value);
        assert!(language == "toml" && text.contains("label_smoothing = 0.05\n"), "{text}");
        assert_eq!(config::parse::<Recipe>(&text).unwrap(), recipe, "{text}");
        assert_eq!(value_shown(&value["optimizer"]["label_smoothing"]), "0.05");
        assert_eq!(value_shown(&value["head"]["dropout"]), "0.45454545454545453");
        for (value, expected) in
            [(Value::Null, "null"), (7.into(), "7"), (0.5.into(), "0.5"), ("adamw".into(), "\"adamw\"")]
        {
            assert_eq!(value_shown(&value), expected);
        }
        assert_eq!(shown(&serde_json::json!({ "name": "of old" })).0, "json");
    }

    #[test]
    fn values_out_of_range_are_named() {
        let text = std::fs::read_to_string(configs().join("training.toml")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.toml");
        let change = |key: &str, value: &str| {
            let mut found = false;
            let lines = text.lines().map(|l| match l.split_once(" =") {
                Some((k, _)) if k == key && !std::mem::replace(&mut found, true) => format!("{key} = {value}"),
                _ => l.to_string(),
            });
            std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
            assert!(found, "{key} is not in the default recipe");
            Recipe::load(&path).unwrap_err()
        };
        for (key, value, message) in [
            ("size", "50", "`size` is 50: expected a multiple of 16"),
            ("epochs", "0", "`epochs` is 0: expected 1"),
            ("block5", "-1.0", "`optimizer.block5` is -1: expected a learning rate above 0, up to 1"),
            ("block5", "0.0", "`optimizer.block5` is 0: expected a learning rate above 0, up to 1"),
            ("dropout", "1.0", "`head.dropout` is 1: expected 0 up to"),
            ("block5_weight", "0.0", "`head.block5_weight` is 0: expected above 0"),
            ("temperature", "0.0", "`family.temperature` is 0: expected 0.005"),
            ("crops", "[\"whole\", \"bag\"]", "with `head.pooling` \"masked\", which finds the bag"),
        ] {
            let error = change(key, value);
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
