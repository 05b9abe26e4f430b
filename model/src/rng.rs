//! A small random number generator: the same numbers on every machine, for one seed.

/// xoshiro256** (Blackman and Vigna 2018), seeded by `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

impl Rng {
    /// A generator that gives the same numbers for the same seed.
    pub fn new(seed: i64) -> Rng {
        let mut state = seed.cast_unsigned();
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Rng([next(), next(), next(), next()])
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`, each equally likely (Lemire 2019). `bound` is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// `count` different numbers below `bound`, each equally likely, ascending; all of them where there are fewer.
    pub fn sample(&mut self, count: usize, bound: usize) -> Vec<usize> {
        // Selection sampling (Fan, Muller and Rezucha 1962).
        let mut chosen = Vec::with_capacity(count.min(bound));
        for item in 0..bound {
            let needed = count.saturating_sub(chosen.len());
            if needed == 0 {
                break;
            }
            if (self.below((bound - item) as u64) as usize) < needed {
                chosen.push(item);
            }
        }
        chosen
    }

    /// A number from 0 up to but not 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Puts `items` into random order (Fisher and Yates 1938).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_order() {
        let shuffled = |seed| {
            let mut items: Vec<u32> = (0..100).collect();
            Rng::new(seed).shuffle(&mut items);
            items
        };
        assert_eq!(shuffled(42), shuffled(42));
        assert_ne!(shuffled(42), shuffled(43));
        let mut sorted = shuffled(-1);
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..100));
    }

    #[test]
    fn a_sample_has_different_numbers_in_order_and_never_more_than_there_are() {
        let sample = Rng::new(1).sample(10, 1000);
        assert!(sample.len() == 10 && sample.is_sorted_by(|a, b| a < b) && sample[9] < 1000);
        assert_eq!(Rng::new(1).sample(10, 4), [0, 1, 2, 3]);
        assert!(Rng::new(1).sample(0, 4).is_empty());
    }

    #[test]
    fn the_numbers_are_those_of_the_reference_implementation() {
        // From the authors' C code, with the state 1, 2, 3, 4.
        let mut rng = Rng([1, 2, 3, 4]);
        assert_eq!([rng.next_u64(), rng.next_u64(), rng.next_u64()], [11520, 0, 1_509_978_240]);
    }
}
