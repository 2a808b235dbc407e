//! Has a store changed its layout? How full each field of its items is, and how many items it lists, against its last runs.
//!
//! The rule: a field drifts if the part of items that have it falls more than [`LEAST_FALL`] below the median of the last
//! [`RUNS`] runs, and chance alone would do that less than once in a thousand times (the binomial tail, exactly, so that three
//! items of a small store raise no alarm). The number of items drifts if it falls by more than [`LEAST_FALL`] of the median and
//! by more than three times its square root.

use std::collections::BTreeMap;
use std::fmt;

use crate::State;

/// How many earlier runs count. A run that drifted is none of them, unless a person accepted it.
pub const RUNS: usize = 5;

/// The least fall that is an alarm: 20 points of a hundred.
pub const LEAST_FALL: f64 = 0.20;

/// How seldom chance does it.
const CHANCE: f64 = 1e-3;

/// What is looked at of each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Its page, or its entry in a feed, could be read.
    Page,
    /// It has a title.
    Name,
    /// It has a price that can be read.
    Price,
    /// It has a brand.
    Brand,
    /// It names pictures, and one of them is whole.
    Images,
    /// The shop says what kind of thing it is.
    Label,
}

impl Field {
    /// All of them.
    pub const ALL: [Field; 6] = [Field::Page, Field::Name, Field::Price, Field::Brand, Field::Images, Field::Label];

    /// The word that the journal and the report use.
    pub fn word(self) -> &'static str {
        match self {
            Field::Page => "page",
            Field::Name => "name",
            Field::Price => "price",
            Field::Brand => "brand",
            Field::Images => "images",
            Field::Label => "label",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How many of so many items have a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Those that have it.
    pub filled: u32,
    /// All.
    pub total: u32,
}

impl Fill {
    /// The part that has it, 0 to 1; 1 where there are none.
    pub fn rate(self) -> f64 {
        if self.total == 0 { 1.0 } else { f64::from(self.filled) / f64::from(self.total) }
    }

    /// How likely it is that no more than `filled` of `total` have it, if each has it as likely as those of `before` had.
    fn chance(self, before: Fill) -> f64 {
        // Laplace's rule: sixty of sixty do not make it certain.
        let p = (f64::from(before.filled) + 1.0) / (f64::from(before.total) + 2.0);
        let n = f64::from(self.total);
        let mut log = n * (1.0 - p).ln();
        let mut sum = log.exp();
        for k in 0..self.filled {
            log += ((n - f64::from(k)) / f64::from(k + 1)).ln() + (p / (1.0 - p)).ln();
            sum += log.exp();
        }
        sum
    }
}

/// What one run found of one store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Items that the listings named.
    pub items: u32,
    /// Of each field, how many had it. [`Field::Page`] is of all items, the others of those whose page could be read.
    pub fills: BTreeMap<Field, Fill>,
}

/// Something that fell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drop {
    /// Fewer items have a field.
    Field {
        /// Which.
        field: Field,
        /// In the run that is the median of the last ones.
        before: Fill,
        /// In this run.
        now: Fill,
    },
    /// There are fewer items.
    Items {
        /// The median of the last runs.
        before: u32,
        /// In this run.
        now: u32,
    },
}

impl Drop {
    /// `price`, or another field's word; `items`.
    pub fn word(&self) -> &'static str {
        match self {
            Drop::Field { field, .. } => field.word(),
            Drop::Items { .. } => "items",
        }
    }
}

/// `price: 40 % of 60 items have it, 98 % had`
impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Drop::Field { field, before, now } => {
                let percent = |fill: &Fill| (100.0 * fill.rate()).round();
                let (now_rate, before_rate) = (percent(now), percent(before));
                write!(f, "{field}: {now_rate} % of {} items have it, {before_rate} % had", now.total)
            }
            Drop::Items { before, now } => write!(f, "items: {now} are listed, {before} were"),
        }
    }
}

/// Far fewer items of a store are `ok` than in its last run: more than half of them, and at least [`FEWEST`], are not any more.
///
/// Its pages may be as full as ever, and what changed the book of ratings or the rules. So it is said, and nothing is held back
/// for it: a brand that was rated down must not stay in the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fall {
    /// How many items ended in each state in the last run.
    before: BTreeMap<State, u32>,
    /// In this one.
    now: BTreeMap<State, u32>,
}

/// The fewest items whose loss is a [`Fall`].
pub const FEWEST: u32 = 5;

impl Fall {
    /// From the items of two runs by the state in which they ended; nothing, unless those that are `ok` fell far.
    pub fn between(before: BTreeMap<State, u32>, now: BTreeMap<State, u32>) -> Option<Self> {
        let (was, is) = (count(&before, State::Ok), count(&now, State::Ok));
        let lost = was.saturating_sub(is);
        (2 * lost > was && lost >= FEWEST).then_some(Fall { before, now })
    }
}

fn count(states: &BTreeMap<State, u32>, state: State) -> u32 {
    states.get(&state).copied().unwrap_or_default()
}

/// `46 -> 0 items ok; below-rating 14 -> 60`
impl fmt::Display for Fall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} items ok", count(&self.before, State::Ok), count(&self.now, State::Ok))?;
        let rose = self.now.iter().filter(|(state, now)| **now > count(&self.before, **state));
        for (n, (state, now)) in rose.enumerate() {
            write!(f, "{}{state} {} -> {now}", if n == 0 { "; " } else { ", " }, count(&self.before, *state))?;
        }
        Ok(())
    }
}

/// What fell since the last runs. `whole`: the listings were read to their end, so that their number says something.
pub fn drops(last: &[Health], now: &Health, whole: bool) -> Vec<Drop> {
    let mut drops = Vec::new();
    if whole && let Some(before) = median(last.iter().map(|h| h.items).collect(), |items| f64::from(*items)) {
        let fall = f64::from(before) - f64::from(now.items);
        if fall > LEAST_FALL * f64::from(before) && fall > 3.0 * f64::from(before).sqrt() {
            drops.push(Drop::Items { before, now: now.items });
        }
    }
    for field in Field::ALL {
        let known = last.iter().filter_map(|h| h.fills.get(&field)).copied().filter(|fill| fill.total > 0).collect();
        if let (Some(before), Some(&now)) = (median(known, |fill| fill.rate()), now.fills.get(&field))
            && before.rate() - now.rate() > LEAST_FALL
            && now.chance(before) < CHANCE
        {
            drops.push(Drop::Field { field, before, now });
        }
    }
    drops
}

/// The middle one; of two, the upper.
fn median<T: Copy>(mut all: Vec<T>, by: impl Fn(&T) -> f64) -> Option<T> {
    all.sort_by(|a, b| by(a).total_cmp(&by(b)));
    all.get(all.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(items: u32, priced: u32) -> Health {
        Health { items, fills: [(Field::Price, Fill { filled: priced, total: items })].into() }
    }

    fn fell(before: (u32, u32), now: (u32, u32)) -> Vec<&'static str> {
        let last = vec![health(before.0, before.1); 3];
        drops(&last, &health(now.0, now.1), true).iter().map(Drop::word).collect()
    }

    #[test]
    fn a_field_that_empties_is_an_alarm_and_a_few_items_are_not() {
        assert_eq!(fell((60, 59), (60, 24)), ["price"]);
        assert_eq!(fell((60, 59), (60, 49)), Vec::<&str>::new(), "17 points");
        assert_eq!(fell((5, 5), (5, 0)), ["price"]);
        assert_eq!(fell((3, 3), (3, 0)), Vec::<&str>::new(), "three items may all be sold");
        assert_eq!(fell((10, 5), (10, 2)), Vec::<&str>::new(), "chance does that once in twenty times");
        assert_eq!(fell((50_000, 49_000), (50_000, 20_000)), ["price"]);
        assert_eq!(fell((60, 24), (60, 59)), Vec::<&str>::new(), "more is no alarm");
        assert_eq!(drops(&[], &health(60, 0), true), []);
    }

    #[test]
    fn fewer_items_are_an_alarm_where_the_listings_were_read_to_their_end() {
        assert_eq!(fell((60, 60), (36, 36)), ["items"]);
        assert_eq!(fell((60, 60), (48, 48)), Vec::<&str>::new());
        assert_eq!(fell((9, 9), (1, 1)), Vec::<&str>::new(), "a small shop may sell out");
        assert_eq!(fell((1000, 1000), (790, 790)), ["items"]);
        assert_eq!(drops(&[health(60, 60)], &health(5, 5), false), []);
    }

    #[test]
    fn that_most_items_are_ok_no_more_is_told_with_what_they_are() {
        let states =
            |ok, below, robots| BTreeMap::from([(State::Ok, ok), (State::BelowRating, below), (State::Robots, robots)]);
        let fall = |before, now| Fall::between(before, now).map(|fall| fall.to_string());
        let said = fall(states(46, 14, 0), [(State::BelowRating, 60)].into());
        assert_eq!(said.as_deref(), Some("46 -> 0 items ok; below-rating 14 -> 60"));
        let said = fall(states(46, 14, 0), states(22, 37, 1));
        assert_eq!(said.as_deref(), Some("46 -> 22 items ok; robots 0 -> 1, below-rating 14 -> 37"));
        assert_eq!(fall(states(46, 14, 0), states(23, 37, 0)), None, "half of them");
        assert_eq!(fall(states(4, 0, 0), states(0, 4, 0)), None, "four");
        assert_eq!(fall(states(5, 0, 0), states(0, 5, 0)).as_deref(), Some("5 -> 0 items ok; below-rating 0 -> 5"));
        assert_eq!(fall(states(0, 60, 0), states(46, 14, 0)), None, "more is no fall");
    }

    #[test]
    fn one_odd_run_moves_no_median() {
        let last = [health(60, 60), health(60, 58), health(60, 10), health(60, 59), health(60, 60)];
        let drops = drops(&last, &health(60, 24), true);
        assert_eq!(drops.len(), 1);
        assert_eq!(drops[0].to_string(), "price: 40 % of 60 items have it, 98 % had");
    }

    #[test]
    fn the_tail_is_that_of_the_binomial_distribution() {
        let before = Fill { filled: 4, total: 8 }; // p = 1/2
        for (filled, expected) in [(0, 1.0 / 1024.0), (1, 11.0 / 1024.0), (5, 638.0 / 1024.0), (10, 1.0)] {
            let chance = Fill { filled, total: 10 }.chance(before);
            assert!((chance - expected).abs() < 1e-9, "{filled}: {chance} {expected}");
        }
    }
}
