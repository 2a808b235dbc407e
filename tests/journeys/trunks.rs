//! The second trunk, from a file of the user's to an answer: ResNet-50 with made weights, seeded, of the size that He et al.
//! (2015) start from.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{goodtwin, run, striped_folder};

/// Bottlenecks of each stage.
const STAGES: [usize; 4] = [3, 4, 6, 3];

/// A safetensors file that is written tensor by tensor.
#[derive(Default)]
struct Torchvision {
    header: serde_json::Map<String, Value>,
    bytes: Vec<u8>,
    /// SplitMix64's.
    state: u64,
}

impl Torchvision {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn put(&mut self, name: String, dtype: &str, shape: &[usize], bytes: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend(bytes);
        let entry = serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": [from, self.bytes.len()] });
        self.header.insert(name, entry);
    }

    /// A convolution in f16, and the normalisation after it, which multiplies by `scale`.
    fn conv(&mut self, conv: &str, norm: &str, [channels_in, out, kernel]: [usize; 3], scale: f32) {
        let fan_in = channels_in * kernel * kernel;
        // Either sign, and 1 to 2 times a power of two: 1.53 times it in the quadratic mean.
        let exponent = ((2.0 / fan_in as f64).sqrt() / 1.53).log2().round() as i64 + 15;
        let values: Vec<u8> = (0..out * fan_in)
            .flat_map(|_| {
                let bits = self.next();
                ((bits & 0x8000) as u16 | (exponent as u16) << 10 | (bits >> 16 & 0x3ff) as u16).to_le_bytes()
            })
            .collect();
        self.put(format!("{conv}.weight"), "F16", &[out, channels_in, kernel, kernel], &values);
        for (part, value) in [("weight", scale), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
            self.put(format!("{norm}.{part}"), "F32", &[out], &value.to_le_bytes().repeat(out));
        }
    }

    fn resnet50(seed: u64) -> Torchvision {
        let mut file = Torchvision { state: seed, ..Torchvision::default() };
        file.conv("conv1", "bn1", [3, 64, 7], 1.0);
        let mut channels = 64;
        for (stage, bottlenecks) in STAGES.into_iter().enumerate() {
            let inner = 64 << stage;
            for i in 0..bottlenecks {
                let key = format!("layer{}.{i}", stage + 1);
                for (number, shape, scale) in
                    [(1, [channels, inner, 1], 1.0), (2, [inner, inner, 3], 1.0), (3, [inner, 4 * inner, 1], 0.25)]
                {
                    file.conv(&format!("{key}.conv{number}"), &format!("{key}.bn{number}"), shape, scale);
                }
                if i == 0 {
                    let shape = [channels, 4 * inner, 1];
                    file.conv(&format!("{key}.downsample.0"), &format!("{key}.downsample.1"), shape, 0.7);
                }
                channels = 4 * inner;
            }
        }
        file
    }

    fn write(&self, path: &Path) {
        let mut header = serde_json::to_vec(&self.header).unwrap();
        header.resize(header.len().next_multiple_of(8), b' ');
        fs::write(path, [&(header.len() as u64).to_le_bytes()[..], &header, &self.bytes].concat()).unwrap();
    }
}

fn recipe(dir: &Path) -> PathBuf {
    let path = dir.join("resnet50.toml");
    let text = "name = 'residual'\nseed = 3\nepochs = 1\nbatch_size = 8\ntrunk = 'resnet50'\n\
        [preprocess]\nsize = 48\ncolour = 'full'\nfit = 'pad'\n\
        [head]\npooling = 'joint'\ndense = 16\nactivation = 'none'\ndropout = 0.1\nstart = 'whitening'\n\
        [optimizer]\nrule = 'rmsprop'\nblock5 = 1e-6\ndense = 1e-5\nclassifier = 1e-3\nschedule = 'constant'\n\
        label_smoothing = 0.0\n\
        [augment]\nviews = 0\nrotation = 0.0\nshift = 0.0\nflip = false\n";
    fs::write(&path, text).unwrap();
    path
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_recipe_chooses_resnet50_by_one_line_and_the_pipeline_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let folder = striped_folder(dir.path(), &["broad", "narrow"], 8);
    run(goodtwin(["dataset", "import"]).arg(folder).arg("--out").arg(path("dataset"))).ok();
    let recipe = recipe(dir.path());
    let train = |weights: &Path| {
        let mut command = goodtwin(["train", "--device", "cpu", "--config"]);
        command.arg(&recipe).arg("--dataset").arg(path("dataset")).arg("--out").arg(path("run"));
        run(command.arg("--cache").arg(path("cache")).arg("--weights").arg(weights))
    };
    let weights = path("resnet50.safetensors");
    let ended = train(&weights);
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(ended.stderr.contains("goodtwin weights import --network resnet50 FILE"), "{}", ended.stderr);
    let ended = train(Path::new("checkpoints/vgg16-imagenet-f16.safetensors"));
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("`stem.weight`: expected shape [64, 3, 7, 7], received no such tensor"),
        "{}",
        ended.stderr
    );
    assert!(!path("run").exists() && !path("cache").exists());

    Torchvision::resnet50(7).write(&path("torchvision.safetensors"));
    let mut import = goodtwin(["weights", "import", "--network", "resnet50"]);
    run(import.arg(path("torchvision.safetensors")).arg("--out").arg(&weights)).ok();
    // Again, and to where something else stands: only what an import made is replaced.
    let import = |file: &Path, out: &Path| {
        run(goodtwin(["weights", "import", "--network", "resnet50"]).arg(file).arg("--out").arg(out))
    };
    let source = fs::read(path("torchvision.safetensors")).unwrap();
    import(&path("torchvision.safetensors"), &weights).ok();
    fs::write(path("notes.txt"), "mine").unwrap();
    for out in [path("torchvision.safetensors"), path("notes.txt")] {
        let ended = import(&path("torchvision.safetensors"), &out);
        assert!(ended.code == 73 && ended.stderr.contains("give another --out"), "{}", ended.stderr);
    }
    assert!(
        fs::read(path("torchvision.safetensors")).unwrap() == source && fs::read(path("notes.txt")).unwrap() == b"mine"
    );
    let ended = import(&weights, &path("twice.safetensors"));
    assert!(ended.code == 65 && ended.stderr.contains("was imported already"), "{}", ended.stderr);
    train(&weights).ok();
    let card = json(path("run/model.json"));
    assert_eq!(card["network"]["trunk"], "resnet50");
    assert_eq!(card["network"]["trunk_sha256"], json(path("run/run.json"))["weights"]["id"]);
    assert_eq!(card["preprocess"]["values"], "torchvision");
    let losses = fs::read_to_string(path("run/metrics.jsonl")).unwrap();
    assert!(losses.contains(r#""kind":"epoch""#), "{losses}");

    let mut eval = goodtwin(["eval", "--device", "cpu"]);
    eval.arg(path("run")).arg("--dataset").arg(path("dataset")).arg("--cache").arg(path("cache"));
    let ended = run(&mut eval).ok();
    for features in ["grey, block 4 grid", "ResNet-50, grey, block 4 grid", "this run, at its start", "this run "] {
        assert!(ended.stdout.lines().any(|line| line.starts_with(features)), "{features} is not in\n{}", ended.stdout);
    }

    let mut build = goodtwin(["catalog", "build", "--device", "cpu", "--model"]);
    run(build.arg(path("run")).arg("--dataset").arg(path("dataset")).arg("--out").arg(path("catalogs"))).ok();
    let rows = fs::read_to_string(path("dataset/metadata.jsonl")).unwrap();
    let row: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    let mut search = goodtwin(["search", "--json", "--k", "3", "--device", "cpu", "--catalog"]);
    let photo = path("dataset").join(row["file_name"].as_str().unwrap());
    let found = run(search.arg(path("catalogs/current")).arg(photo)).ok();
    let answer: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(answer["twins"][0]["picture"]["sha256"], row["sha256"], "the nearest to a picture is itself");

    refuses_other_weights(dir.path(), &weights);
}

/// A run that is not finished goes on with its own trunk alone, and a model is what its network says.
fn refuses_other_weights(dir: &Path, weights: &Path) {
    let mut bytes = fs::read(weights).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    let other = dir.join("other.safetensors");
    fs::write(&other, bytes).unwrap();
    let card = dir.join("run/model.json");
    let finished = fs::read_to_string(&card).unwrap();
    fs::remove_file(&card).unwrap();
    let ended = run(goodtwin(["train", "--resume"]).arg(dir.join("run")).arg("--weights").arg(other));
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(ended.stderr.contains("the SHA-256 of the weights does not match: expected"), "{}", ended.stderr);
    fs::write(&card, finished.replace("\"trunk\": \"resnet50\"", "\"trunk\": \"vgg16\"")).unwrap();
    let ended =
        run(goodtwin(["eval", "--device", "cpu"]).arg(dir.join("run")).arg("--dataset").arg(dir.join("dataset")));
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(ended.stderr.contains("does not match: expected"), "{}", ended.stderr);
}
