//! scikit-learn's random numbers, which decide what its trees look at.
//!
//! A node looks at columns in random order, keeps the first of equally good ones, and may stop before it has seen all. A
//! forest gives each tree a seed and a sample of the rows. To grow the same trees, the generators are followed to the bit:
//! `numpy.random.RandomState` for seeds and samples, and a 32-bit xorshift within a tree.

/// One more than the largest number drawn from the seed's generator; the largest number of a splitter's.
const RAND_R_MAX: u32 = i32::MAX as u32;
/// Numbers in the state of a Mersenne Twister.
const WORDS: usize = 624;

/// `numpy.random.RandomState`: a Mersenne Twister (Matsumoto and Nishimura 1998).
#[derive(Clone, Debug)]
pub(crate) struct RandomState {
    words: [u32; WORDS],
    /// What is drawn from them, and the next of these.
    numbers: [u32; WORDS],
    next: usize,
}

impl RandomState {
    /// The generator of a seed, of which the lowest 32 bits count.
    pub(crate) fn new(seed: i64) -> RandomState {
        let mut words = [seed as u32; WORDS];
        for place in 1..WORDS {
            let before = words[place - 1];
            words[place] = 1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(place as u32);
        }
        RandomState { words, numbers: [0; WORDS], next: WORDS }
    }

    /// Makes the next numbers, all at once.
    fn refill(&mut self) {
        /// How far ahead is the word that one is made of, too.
        const AHEAD: usize = 397;
        let words = &mut self.words;
        let twisted = |word: u32, next: u32| {
            let joined = (word & 0x8000_0000) | (next & 0x7fff_ffff);
            (joined >> 1) ^ ((joined & 1).wrapping_neg() & 0x9908_b0df)
        };
        for place in 0..WORDS - AHEAD {
            words[place] = words[place + AHEAD] ^ twisted(words[place], words[place + 1]);
        }
        for place in WORDS - AHEAD..WORDS - 1 {
            words[place] = words[place + AHEAD - WORDS] ^ twisted(words[place], words[place + 1]);
        }
        words[WORDS - 1] = words[AHEAD - 1] ^ twisted(words[WORDS - 1], words[0]);
        for (number, &word) in self.numbers.iter_mut().zip(&*words) {
            let mut y = word;
            y ^= y >> 11;
            y ^= (y << 7) & 0x9d2c_5680;
            y ^= (y << 15) & 0xefc6_0000;
            *number = y ^ (y >> 18);
        }
        self.next = 0;
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == WORDS {
            self.refill();
        }
        self.next += 1;
        self.numbers[self.next - 1]
    }

    /// `randint(0, bound)`: each number below `bound`, which is not 0, is equally likely.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let (largest, mask) = largest_below(bound);
        loop {
            let number = self.next_u32() & mask;
            if number <= largest {
                return number;
            }
        }
    }

    /// So many numbers, each drawn as [`RandomState::below`] does.
    pub(super) fn draws_below(mut self, bound: u32, count: usize) -> Vec<u32> {
        let (largest, mask) = largest_below(bound);
        let mut drawn = vec![0; count + WORDS];
        let mut kept = 0;
        while kept < count {
            if self.next == WORDS {
                self.refill();
            }
            for number in &self.numbers[self.next..] {
                // Written in any case, and counted where it is one of them: no branch to mispredict.
                drawn[kept] = number & mask;
                kept += usize::from(number & mask <= largest);
            }
            self.next = WORDS;
        }
        drawn.truncate(count);
        drawn
    }

    /// `random_sample()`: a number from 0 to 1, it not included.
    pub(crate) fn unit(&mut self) -> f64 {
        let (high, low) = (self.next_u32() >> 5, self.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// The seed of a tree's splitter, `randint(0, RAND_R_MAX)`, and of a tree of a forest, which is the same number.
    pub(crate) fn splitter_seed(&mut self) -> u32 {
        self.below(RAND_R_MAX)
    }
}

/// The largest number below a bound, which is not 0, and the bits that it needs.
fn largest_below(bound: u32) -> (u32, u32) {
    let largest = bound - 1;
    (largest, u32::MAX.checked_shr(largest.leading_zeros()).unwrap_or(0))
}

/// The generator of a splitter.
#[derive(Clone, Debug)]
pub(super) struct Draw(u32);

impl Draw {
    /// A number up to [`RAND_R_MAX`] (Marsaglia 2003).
    fn next(&mut self) -> u32 {
        let mut x = self.0.max(1);
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0 = x;
        x & RAND_R_MAX
    }

    /// 0 or 1.
    pub(super) fn coin(&mut self) -> bool {
        self.next() % 2 == 1
    }

    /// A number below `bound`, of which `reciprocal` is 2⁶⁴ divided by it, rounded up: the remainder of a division, but for
    /// the division (Lemire, Kaser and Kurz 2019).
    fn below(&mut self, bound: u32, reciprocal: u64) -> usize {
        let fraction = reciprocal.wrapping_mul(u64::from(self.next()));
        ((u128::from(fraction) * u128::from(bound)) >> 64) as usize
    }

    /// A threshold between the smallest and the largest value of a column, the largest not included.
    pub(super) fn threshold(&mut self, smallest: f32, largest: f32) -> f64 {
        let (low, high) = (f64::from(smallest), f64::from(largest));
        let threshold = (high - low) * f64::from(self.next()) / f64::from(RAND_R_MAX) + low;
        if threshold == high { low } else { threshold }
    }
}

/// Columns in the order in which the nodes of one tree look at them: a shuffle that goes on from node to node, and that
/// leaves aside columns known to be constant.
pub(super) struct Order {
    draw: Draw,
    columns: Vec<u32>,
    constants: Vec<u32>,
    /// Of each number of columns, 2⁶⁴ divided by it, rounded up.
    reciprocals: Vec<u64>,
}

impl Order {
    /// All columns of a tree with this seed.
    pub(super) fn new(columns: usize, seed: u32) -> Order {
        let reciprocals = (0..=columns as u64).map(|count| (u64::MAX / count.max(1)).wrapping_add(1)).collect();
        let columns: Vec<u32> = (0..columns as u32).collect();
        Order { draw: Draw(seed), constants: vec![0; columns.len()], columns, reciprocals }
    }

    /// Looks at `most` columns of the next node, or at as many more as it takes to see one that is not constant: `known` of
    /// them were found constant above it, and `look` is called with each other that is drawn, and says whether it is constant
    /// here. Returns how many columns are known to be constant below.
    pub(super) fn visit(&mut self, known: usize, most: usize, mut look: impl FnMut(u32, &mut Draw) -> bool) -> usize {
        let columns = &mut self.columns;
        let (mut end, mut found, mut drawn, mut visited) = (columns.len(), 0, 0, 0);
        while end > known + found && (visited < most || visited <= found + drawn) {
            visited += 1;
            let left = end - found - drawn;
            let place = drawn + self.draw.below(left as u32, self.reciprocals[left]);
            if place < known {
                columns.swap(drawn, place);
                drawn += 1;
                continue;
            }
            let place = place + found;
            if look(columns[place], &mut self.draw) {
                columns.swap(place, known + found);
                found += 1;
            } else {
                end -= 1;
                columns.swap(end, place);
            }
        }
        columns[..known].copy_from_slice(&self.constants[..known]);
        self.constants[known..known + found].copy_from_slice(&columns[known..known + found]);
        known + found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_numpy() {
        // numpy.random.RandomState(seed).randint(0, 2147483647)
        for (seed, expected) in SEEDS {
            assert_eq!(RandomState::new(seed).splitter_seed(), expected, "{seed}");
        }
        // The 1,000th of RandomState(7).randint(0, 1000, 1000), and the first of random_sample() after it.
        let mut state = RandomState::new(7);
        let last = (0..1000).map(|_| state.below(1000)).last();
        assert_eq!((last, state.unit()), (Some(LAST_BELOW), NEXT_UNIT));
    }

    const SEEDS: [(i64, u32); 4] =
        [(0, 209_652_396), (42, 1_608_637_542), (7, 327_741_615), (123_456_789, 141_016_760)];
    const LAST_BELOW: u32 = 120;
    const NEXT_UNIT: f64 = 0.317_107_127_394_286_15;
}
