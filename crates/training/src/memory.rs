//! Whether a step fits into memory: worked out before anything long begins.
//!
//! A batch that does not fit is taken in parts whose gradients are added up: the step is as large, and slower; dropout draws other
//! units in each part, so that its last digits are others'. One whose pictures a loss compares with each other has no parts, and is
//! refused. The estimate is of the CPU's memory; a GPU's driver does not say how much is free.

use std::path::{Path, PathBuf};

use goodtwin_vision::Pooling;

use crate::recipe::{FamilyLoss, Start};
use crate::train::learner::{DIFFERENCES, WHITENING_ROWS};
use crate::train::mask;
use crate::{Error, Recipe, Result, whitening};

/// What a step takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// However many pictures: weights, gradients, what the optimiser remembers, and the best weights so far; or what comes before
    /// the first step, if that is more.
    pub base: u64,
    /// For each picture.
    pub picture: u64,
}

/// The layers' outputs that are kept for the way back and what is worked out on it, in maps of block 4's size:
/// about twice the growth of the peak with the batch as it was measured.
const MAPS_A_PICTURE: u64 = 16;
/// Copies of every parameter: weight, gradient, two moments, average, the best, and two on the way to the disk.
const COPIES: u64 = 8;
/// The program, and convolutions made ready for weights that are fixed. With it the estimate of the default recipe is 0.89 GB, where
/// 0.87 were measured at the peak.
const REST: u64 = 256 << 20;

impl Estimate {
    /// For a recipe, a number of classes, and a number of pictures to train on.
    pub fn of(recipe: &Recipe, classes: usize, pictures: usize) -> Estimate {
        let (size, dense) = (recipe.preprocess.size, recipe.head.dense);
        let (trunk, crops) = (recipe.trunk, recipe.preprocess.crops.len());
        let pooled = crops * recipe.head.pooling.len(trunk, size);
        let parameters = trunk.block5_parameters() + (pooled + 1) * dense + (dense + 1) * classes;
        let ([channels, deep], [side, deep_side]) = (trunk.channels(), trunk.sides(size));
        let map = 4 * channels * side * side;
        let lessons = match recipe.head.pooling {
            // Of each, block 5 in f16 and how much of each place is bag; and a batch of them on the way through the head.
            Pooling::Masked => {
                let lessons = mask::LESSONS.min(pictures * (1 + recipe.augment.views));
                lessons * (2 * deep * deep_side * deep_side + 4 * side * side) + 4 * mask::BATCH * map
            }
            _ => 0,
        };
        let whitened = match recipe.head.start {
            Start::Whitening => whitening(WHITENING_ROWS.min(pictures) + 2 * DIFFERENCES, pooled, dense),
            Start::Random => 0,
        };
        let before = 2 * 4 * parameters + lessons.max(whitened);
        Estimate {
            base: REST + (COPIES as usize * 4 * parameters).max(before) as u64,
            picture: (MAPS_A_PICTURE as usize * crops * map + 8 * pooled) as u64,
        }
    }

    /// For so many pictures at once.
    pub fn bytes(&self, pictures: usize) -> u64 {
        self.base + pictures as u64 * self.picture
    }

    /// How many pictures to take at once: the batch, halved until it fits.
    ///
    /// # Errors
    /// [`Error::Memory`] when not even one picture fits, [`Error::BatchMemory`] when the batch has no parts.
    pub fn part(&self, recipe: &Recipe, classes: usize, pictures: usize, available: u64) -> Result<usize> {
        let batch = recipe.batch(pictures);
        let mut part = batch;
        while self.bytes(part) > available && part > 1 {
            part = part.div_ceil(2);
        }
        if part < batch && recipe.family.loss == FamilyLoss::Supcon {
            let fits = available.saturating_sub(self.base) / self.picture;
            // Pairs; of a pair alone nothing is to be learned.
            let largest = if fits < 4 { 0 } else { fits as usize / 2 * 2 };
            return Err(Error::BatchMemory { batch, needed: self.bytes(batch), available, largest });
        }
        if self.bytes(part) <= available {
            return Ok(part);
        }
        let fits = |size: &u32| {
            let mut smaller = recipe.clone();
            smaller.preprocess.size = *size;
            Estimate::of(&smaller, classes, pictures).bytes(1) <= available
        };
        let largest = (32..recipe.preprocess.size).step_by(16).rfind(fits);
        Err(Error::Memory { needed: self.bytes(1), available, size: recipe.preprocess.size, largest })
    }
}

/// What [`whitening::fit`] takes for rows of this width: the rows in f32 and f64, the smaller of the two square matrices with its
/// eigenvectors and the room to find them, the directions, and the layer.
fn whitening(rows: usize, width: usize, dense: usize) -> usize {
    let (small, own) = (rows.min(width), dense.min(whitening::OWN));
    let directions = width * (own + 3 * (dense.min(width) - own.min(width)));
    12 * rows * width + 3 * 8 * small * small + 8 * directions + 4 * width * dense
}

/// Bytes for people: "3.2 GiB".
pub fn gib(bytes: u64) -> String {
    if bytes < 1 << 30 {
        return format!("{} MiB", bytes >> 20);
    }
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

/// What this process may still take: the least of the machine's free memory, its control group's and its own limit. None
/// where the system does not say.
pub fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| kilobytes(&text, "MemAvailable:"));
    let group = read("/proc/self/cgroup")
        .and_then(|groups| in_group(&groups, &|path: PathBuf| std::fs::read_to_string(path).ok()));
    let own = read("/proc/self/limits")
        .and_then(|text| address_space(&text))
        .zip(read("/proc/self/status").and_then(|text| kilobytes(&text, "VmSize:")))
        // Allocators and threads reserve address space that they do not use.
        .map(|(most, taken)| most.saturating_sub(taken) / 2);
    [machine, group, own].into_iter().flatten().min()
}

/// What is left of the control group's limit, and of those of all groups that it is in; `groups` is `/proc/self/cgroup`. Pages of
/// files that were read count as taken there, and are given back when they are needed.
fn in_group(groups: &str, read: &dyn Fn(PathBuf) -> Option<String>) -> Option<u64> {
    let files = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        match controllers {
            "" => Some(("/sys/fs/cgroup", path, ["memory.max", "memory.current"], ["inactive_file ", "active_file "])),
            _ if controllers.split(',').any(|controller| controller == "memory") => Some((
                "/sys/fs/cgroup/memory",
                path,
                ["memory.limit_in_bytes", "memory.usage_in_bytes"],
                ["total_inactive_file ", "total_active_file "],
            )),
            _ => None,
        }
    });
    let left = |(root, path, [most, taken], pages): (&str, &str, [&str; 2], [&str; 2])| {
        // A container may see its own group as the root, and be told its path from outside.
        let folders = Path::new(path.trim_start_matches('/')).ancestors().map(|path| Path::new(root).join(path));
        let left = folders.filter_map(|folder| {
            let number = |name: &str| read(folder.join(name))?.trim().parse::<u64>().ok();
            let stat = read(folder.join("memory.stat")).unwrap_or_default();
            let pages: u64 = pages.iter().filter_map(|key| value(&stat, key)).sum();
            Some(number(most)?.saturating_sub(number(taken)?.saturating_sub(pages)))
        });
        left.min()
    };
    files.filter_map(left).min()
}

/// The number after a key at the start of a line.
fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.trim().parse().ok()
}

/// A line such as `MemAvailable:   123 kB`, in bytes.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The soft limit of the address space; none where it is unlimited.
fn address_space(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("Max address space"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use goodtwin_vision::preprocess::Crop;

    use super::*;

    fn recipe(size: u32) -> Recipe {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/training.toml");
        let mut recipe = Recipe::load(&path).unwrap();
        recipe.preprocess.size = size;
        recipe
    }

    #[test]
    fn a_batch_is_halved_until_it_fits() {
        let (recipe, estimate) = (recipe(224), Estimate::of(&recipe(224), 8, 900));
        let part = |available| estimate.part(&recipe, 8, 900, available).ok();
        assert_eq!(part(estimate.bytes(32)), Some(32));
        assert_eq!(part(estimate.bytes(32) - 1), Some(16));
        assert_eq!(part(estimate.bytes(7)), Some(4));
        assert_eq!(part(estimate.bytes(1)), Some(1));
    }

    #[test]
    fn where_one_picture_does_not_fit_the_largest_size_that_does_is_named() {
        let big = recipe(512);
        let available = Estimate::of(&recipe(96), 8, 900).bytes(1);
        let error = Estimate::of(&big, 8, 900).part(&big, 8, 900, available).unwrap_err();
        assert_eq!(error.exit_code(), 69);
        assert!(error.to_string().contains("the largest that fits is 96 px"), "{error}");
        let error = Estimate::of(&big, 8, 900).part(&big, 8, 900, 1000).unwrap_err();
        assert!(error.to_string().contains("no size fits"), "{error}");
    }

    #[test]
    fn two_crops_take_twice_the_room_and_what_comes_before_the_first_step_counts() {
        let mut two = recipe(224);
        two.head.pooling = Pooling::Joint;
        two.head.start = Start::Random;
        let one = Estimate::of(&two, 8, 900);
        two.preprocess.crops = vec![Crop::Whole, Crop::Bag];
        assert_eq!(Estimate::of(&two, 8, 900).picture, 2 * one.picture);
        assert!(Estimate::of(&two, 8, 900).base > one.base);
        // A small network on many large pictures: whitening and the mask's lessons are what takes room.
        let mut small = recipe(512);
        (small.head.dense, small.augment.views) = (8, 2);
        let lessons = 3000 * 2 * 512 * 16 * 16;
        assert!(Estimate::of(&small, 8, 2000).base > lessons);
        assert!(Estimate::of(&small, 8, 20).base < lessons);
    }

    #[test]
    fn a_batch_whose_pictures_are_compared_with_each_other_is_not_taken_in_parts() {
        let mut recipe = recipe(224);
        recipe.family.loss = FamilyLoss::Supcon;
        let estimate = Estimate::of(&recipe, 8, 900);
        assert_eq!(estimate.part(&recipe, 8, 900, estimate.bytes(32)).unwrap(), 32);
        assert_eq!(estimate.part(&recipe, 8, 20, estimate.bytes(32)).unwrap(), 32, "20 pictures, each with another");
        assert_eq!(estimate.part(&recipe, 8, 9, estimate.bytes(32)).unwrap(), 18);
        let error = estimate.part(&recipe, 8, 900, estimate.bytes(32) - 1).unwrap_err();
        assert_eq!(error.exit_code(), 69);
        assert!(error.to_string().contains("the largest that fits is 30 (`batch_size`)"), "{error}");
        let error = estimate.part(&recipe, 8, 900, estimate.bytes(3)).unwrap_err();
        assert!(error.to_string().contains("not even 4 fit"), "{error}");
    }

    #[test]
    fn a_control_group_s_limit_is_found_wherever_it_is_set() {
        let files = |files: &'static [(&'static str, &'static str)]| {
            move |path: PathBuf| {
                let text = files.iter().find(|(name, _)| Path::new(name) == path)?.1;
                Some(text.to_string())
            }
        };
        // Version 2, as systemd nests it: the limit is the parent's, and of what is taken 300 are files' pages.
        let nested = files(&[
            ("/sys/fs/cgroup/goodtwin.slice/memory.max", "1000\n"),
            ("/sys/fs/cgroup/goodtwin.slice/memory.current", "900\n"),
            ("/sys/fs/cgroup/goodtwin.slice/memory.stat", "anon 600\ninactive_file 200\nactive_file 100\n"),
            ("/sys/fs/cgroup/goodtwin.slice/train.scope/memory.max", "max\n"),
            ("/sys/fs/cgroup/goodtwin.slice/train.scope/memory.current", "900\n"),
        ]);
        assert_eq!(in_group("0::/goodtwin.slice/train.scope\n", &nested), Some(400));
        // Version 1 in a container, which is told the path that its host sees.
        let container = files(&[
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "500\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "450\n"),
            ("/sys/fs/cgroup/memory/memory.stat", "total_inactive_file 25\ntotal_active_file 25\n"),
        ]);
        let groups = "9:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/init.scope\n";
        assert_eq!(in_group(groups, &container), Some(100));
        assert_eq!(in_group("4:cpu:/\n", &container), None);
    }

    #[test]
    fn the_systems_words() {
        assert_eq!(kilobytes("MemTotal: 9 kB\nMemAvailable:   16 kB\n", "MemAvailable:"), Some(16 << 10));
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max address space         123456               unlimited            bytes\n";
        assert_eq!(address_space(limits), Some(123_456));
        assert_eq!(address_space(&limits.replace("123456   ", "unlimited")), None);
        if cfg!(target_os = "linux") {
            assert!(available().is_some_and(|bytes| bytes > 1 << 20));
        }
    }
}
