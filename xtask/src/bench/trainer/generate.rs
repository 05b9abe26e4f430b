//! Tables made up for measuring: as many rows as one likes, the same for the same seed.

use std::fmt::Write as _;
use std::io::{self, Write};

/// What is to be predicted of a made-up table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A number.
    Number,
    /// `yes` or `no`, about as often.
    Class,
}

/// Columns that are numbers; after them come the [`CATEGORIES`].
pub const NUMBERS: [&str; 17] = [
    "normal_1", "normal_2", "normal_3", "normal_4", "normal_5", "normal_6", "echo_1", "echo_2", "echo_3", "echo_4",
    "noise_1", "noise_2", "noise_3", "noise_4", "skewed", "count", "grade",
];
/// Columns of texts.
pub const CATEGORIES: [&str; 3] = ["region", "product", "batch"];
/// The column to predict.
pub const TARGET: &str = "target";

/// What a region adds to the score.
const REGIONS: [(&str, f64); 4] = [("east", -1.0), ("north", 0.0), ("south", 0.5), ("west", 1.5)];
const PRODUCTS: u64 = 12;
const BATCHES: u64 = 30;
/// Every fifth row is for the test.
const TEST_EVERY: usize = 5;

/// Writes a table as CSV, with a column `set` that says `train` or `test`.
///
/// Six independent columns make most of the score, two of them only together and one bent; four columns echo them; four are
/// noise. A skewed number, counts, grades from 0 to 4 and two texts add a little, a third text nothing.
pub fn write(rows: usize, target: Target, seed: u64, to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "{},{},{TARGET},set", NUMBERS.join(","), CATEGORIES.join(","))?;
    let mut random = Random(seed);
    let mut line = String::new();
    for row in 0..rows {
        line.clear();
        let score = columns(&mut random, &mut line);
        match target {
            Target::Number => append(&mut line, 10.0 * score + 12.0 * random.normal()),
            Target::Class => {
                let odds = 1.0 / (1.0 + (-score).exp());
                line.push_str(if random.uniform() < odds { "yes," } else { "no," });
            }
        }
        line.push_str(if row % TEST_EVERY == TEST_EVERY - 1 { "test" } else { "train" });
        writeln!(to, "{line}")?;
    }
    Ok(())
}

/// Appends the features of a row; returns its score, which is around 0.
fn columns(random: &mut Random, line: &mut String) -> f64 {
    let x: [f64; 6] = std::array::from_fn(|_| random.normal());
    let echoes: [f64; 4] = std::array::from_fn(|place| 0.8 * x[place] + 0.6 * random.normal());
    let noise: [f64; 4] = std::array::from_fn(|_| random.normal());
    let skewed = (0.8 * random.normal()).exp();
    let count = (-4.0 * random.uniform().max(1e-9).ln()).floor();
    let grade = random.below(5);
    for value in x.into_iter().chain(echoes).chain(noise).chain([skewed]) {
        append(line, value);
    }
    let (region, of_region) = REGIONS[random.below(REGIONS.len() as u64) as usize];
    let (product, batch) = (random.below(PRODUCTS), random.below(BATCHES));
    // Writing into a String never fails.
    let _ = write!(line, "{count},{grade},{region},P{product:02},batch {batch},");
    let of_product = (product * 7 % PRODUCTS) as f64 / 6.0 - 1.0;
    1.2 * x[0] + 0.8 * x[1] - x[2]
        + x[3] * x[4]
        + 1.5 * (2.0 * x[5]).sin()
        + 0.4 * skewed.ln()
        + 0.05 * (count - 3.5)
        + 0.3 * (grade as f64 - 2.0)
        + of_region
        - 0.25
        + of_product
}

fn append(line: &mut String, value: f64) {
    let _ = write!(line, "{value:.4},");
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to, not including, `end`.
    fn below(&mut self, end: u64) -> u64 {
        (self.uniform() * end as f64) as u64
    }

    /// Mean 0, deviation 1 (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: usize, target: Target, seed: u64) -> String {
        let mut text = Vec::new();
        write(rows, target, seed, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_seed_always_makes_the_same_table() {
        assert_eq!(table(50, Target::Number, 7), table(50, Target::Number, 7));
        assert_ne!(table(50, Target::Number, 7), table(50, Target::Number, 8));
    }

    #[test]
    fn a_table_has_twenty_features_the_target_and_the_set() {
        let text = table(1000, Target::Class, 1);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!((rows.len(), rows[0].len()), (1001, 22));
        assert!(rows.iter().all(|row| row.len() == 22));
        let count = |place: usize, value: &str| rows.iter().filter(|row| row[place] == value).count();
        assert_eq!((count(21, "train"), count(21, "test")), (800, 200));
        assert!((400..600).contains(&count(20, "yes")), "{}", count(20, "yes"));
    }
}
