//! How the learning rates go over a run.
//!
//! A rate is the recipe's rate times a factor that depends on the step alone, so that a run that goes on after a kill needs
//! to remember nothing of it.

use std::f64::consts::PI;

use crate::recipe;

/// The factor of every step: up from nothing along a line, then as the recipe says.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    kind: recipe::Schedule,
    warm_up: usize,
    steps: usize,
}

impl Schedule {
    /// For a run of so many steps, `warm_up` of them on the way up (Goyal et al. 2017).
    pub fn new(kind: recipe::Schedule, warm_up: usize, steps: usize) -> Schedule {
        Schedule { kind, warm_up: warm_up.min(steps), steps }
    }

    /// The factor of a step, from 0: above 0, at most 1.
    pub fn factor(&self, step: usize) -> f64 {
        if step < self.warm_up {
            return (step + 1) as f64 / self.warm_up as f64;
        }
        match self.kind {
            recipe::Schedule::Constant => 1.0,
            // Half a cosine (Loshchilov and Hutter 2017, without restarts).
            recipe::Schedule::Cosine => {
                let (done, all) = (step - self.warm_up, (self.steps - self.warm_up).max(1));
                0.5 * (1.0 + (PI * done as f64 / all as f64).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Schedule::{Constant, Cosine};

    fn factors(kind: recipe::Schedule, warm_up: usize, steps: usize) -> Vec<f64> {
        let schedule = Schedule::new(kind, warm_up, steps);
        (0..steps).map(|step| (schedule.factor(step) * 1000.0).round() / 1000.0).collect()
    }

    #[test]
    fn factors_by_hand() {
        assert_eq!(factors(Constant, 0, 3), [1.0, 1.0, 1.0]);
        assert_eq!(factors(Constant, 4, 5), [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert_eq!(factors(Cosine, 0, 4), [1.0, 0.854, 0.5, 0.146]);
        assert_eq!(factors(Cosine, 2, 6), [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]);
        assert_eq!(factors(Cosine, 9, 3), [0.333, 0.667, 1.0], "a warm-up as long as the run is all of it");
    }

    #[test]
    fn no_step_stands_still() {
        for (warm_up, steps) in [(0, 1), (1, 1), (3, 1000), (1000, 1000)] {
            let schedule = Schedule::new(Cosine, warm_up, steps);
            assert!((0..steps).all(|s| schedule.factor(s) > 0.0 && schedule.factor(s) <= 1.0));
        }
    }
}
