//! Whether a step fits into memory: worked out before anything long begins.
//!
//! A batch that does not fit is taken in parts whose gradients are added up: the step is the same, and only slower. The
//! estimate is of the CPU's memory; a GPU's driver does not say how much is free.

use crate::{Error, Recipe, Result};

/// What a step takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// However many pictures: weights, gradients, what the optimiser remembers, and the best weights so far.
    pub base: u64,
    /// For each picture.
    pub picture: u64,
}

/// The layers' outputs that are kept for the way back and what is worked out on it, in maps of block 4's size:
/// about twice the growth of the peak with the batch as it was measured.
const MAPS_A_PICTURE: u64 = 16;
/// Copies of every parameter: weight, gradient, two moments, average, the best, and two on the way to the disk.
const COPIES: u64 = 8;
/// The trunk while it fills the cache, and the program.
const REST: u64 = 64 << 20;

impl Estimate {
    /// For a recipe and a number of classes.
    pub fn of(recipe: &Recipe, classes: usize) -> Estimate {
        let (size, dense) = (recipe.preprocess.size, recipe.head.dense);
        let trunk = recipe.trunk;
        let pooled = recipe.head.pooling.len(trunk, size);
        let parameters = trunk.block5_parameters() + (pooled + 1) * dense + (dense + 1) * classes;
        let ([channels, _], [side, _]) = (trunk.channels(), trunk.sides(size));
        let map = (4 * channels * side * side) as u64;
        Estimate { base: REST + COPIES * 4 * parameters as u64, picture: MAPS_A_PICTURE * map + 8 * pooled as u64 }
    }

    /// For so many pictures at once.
    pub fn bytes(&self, pictures: usize) -> u64 {
        self.base + pictures as u64 * self.picture
    }

    /// How many pictures to take at once: the batch, halved until it fits.
    ///
    /// # Errors
    /// [`Error::Memory`] when not even one picture fits.
    pub fn part(&self, recipe: &Recipe, classes: usize, batch: usize, available: u64) -> Result<usize> {
        let mut part = batch;
        while self.bytes(part) > available && part > 1 {
            part = part.div_ceil(2);
        }
        if self.bytes(part) <= available {
            return Ok(part);
        }
        let fits = |size: &u32| {
            let mut smaller = recipe.clone();
            smaller.preprocess.size = *size;
            Estimate::of(&smaller, classes).bytes(1) <= available
        };
        let largest = (32..recipe.preprocess.size).step_by(16).rfind(fits);
        Err(Error::Memory { needed: self.bytes(1), available, size: recipe.preprocess.size, largest })
    }
}

/// Bytes for people: "3.2 GiB".
pub fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

/// What this process may still take: the least of the machine's free memory, its control group's and its own limit. None
/// where the system does not say.
pub fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let machine = read("/proc/meminfo").and_then(|text| kilobytes(&text, "MemAvailable:"));
    let group = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(most, taken)| most.saturating_sub(taken));
    let own = read("/proc/self/limits")
        .and_then(|text| address_space(&text))
        .zip(read("/proc/self/status").and_then(|text| kilobytes(&text, "VmSize:")))
        // Allocators and threads reserve address space that they do not use.
        .map(|(most, taken)| most.saturating_sub(taken) / 2);
    [machine, group, own].into_iter().flatten().min()
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
    use super::*;

    fn recipe(size: u32) -> Recipe {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/training.toml");
        let mut recipe = Recipe::load(&path).unwrap();
        recipe.preprocess.size = size;
        recipe
    }

    #[test]
    fn a_batch_is_halved_until_it_fits() {
        let (recipe, estimate) = (recipe(224), Estimate::of(&recipe(224), 8));
        let part = |available| estimate.part(&recipe, 8, 32, available).ok();
        assert_eq!(part(estimate.bytes(32)), Some(32));
        assert_eq!(part(estimate.bytes(32) - 1), Some(16));
        assert_eq!(part(estimate.bytes(7)), Some(4));
        assert_eq!(part(estimate.bytes(1)), Some(1));
    }

    #[test]
    fn where_one_picture_does_not_fit_the_largest_size_that_does_is_named() {
        let big = recipe(512);
        let available = Estimate::of(&recipe(96), 8).bytes(1);
        let error = Estimate::of(&big, 8).part(&big, 8, 32, available).unwrap_err();
        assert_eq!(error.exit_code(), 69);
        assert!(error.to_string().contains("the largest that fits is 96 px"), "{error}");
        let error = Estimate::of(&big, 8).part(&big, 8, 32, 1000).unwrap_err();
        assert!(error.to_string().contains("no size fits"), "{error}");
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
