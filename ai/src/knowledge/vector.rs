//! Vectors as they are kept and compared: of length 1, a byte a dimension.
//!
//! Rounding a dimension to a byte moves the similarity of two vectors by less than 0.01, which is far below what separates a
//! good chunk from a bad one, and makes them a quarter as large: 10,000 of 1,536 dimensions take 15 MB.

/// Most dimensions of a vector: pgvector keeps no more, and no model in use has more than 4,096.
pub const DIMENSIONS_MAX: usize = 16_000;

/// Bytes of a packed vector before its dimensions: the factor, as a little-endian `f32`.
const FACTOR_BYTES: usize = 4;

/// Brings `vector` to length 1. False, and nothing done, when it has no direction: all zero, or a number that is none.
#[must_use]
pub fn normalise(vector: &mut [f32]) -> bool {
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if !length.is_finite() || length < 1e-12 {
        return false;
    }
    for value in vector {
        *value = (f64::from(*value) / length) as f32;
    }
    true
}

/// A vector of length 1 as bytes: a factor, then each dimension as a multiple of it, -127 to 127.
#[must_use]
pub fn pack(vector: &[f32]) -> Vec<u8> {
    let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let factor = if largest > 0.0 { largest / 127.0 } else { 1.0 };
    let mut bytes = Vec::with_capacity(FACTOR_BYTES + vector.len());
    bytes.extend(factor.to_le_bytes());
    bytes.extend(vector.iter().map(|value| (value / factor).round() as i8).map(i8::cast_unsigned));
    bytes
}

/// The dimensions of a packed vector; none when the bytes are no such vector.
#[must_use]
pub fn dimensions(packed: &[u8]) -> Option<usize> {
    packed.len().checked_sub(FACTOR_BYTES).filter(|dimensions| *dimensions > 0)
}

/// Packed vectors of one length, one after the other, to be compared with a question.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    dimensions: usize,
    factors: Vec<f32>,
    values: Vec<i8>,
}

impl Packed {
    /// No vectors yet, of so many dimensions.
    #[must_use]
    pub fn new(dimensions: usize) -> Self {
        Self { dimensions, ..Self::default() }
    }

    /// Adds what [`pack`] made. False, and nothing done, when it has other dimensions.
    #[must_use]
    pub fn push(&mut self, packed: &[u8]) -> bool {
        let Some((factor, values)) = packed.split_first_chunk::<FACTOR_BYTES>() else { return false };
        if values.len() != self.dimensions {
            return false;
        }
        self.factors.push(f32::from_le_bytes(*factor));
        self.values.extend(values.iter().map(|value| value.cast_signed()));
        true
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.factors.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.factors.is_empty()
    }

    /// Memory they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.values.len() + self.factors.len() * FACTOR_BYTES
    }

    /// How like `question` (packed too) each of them is, in order: -1 to 1. All 0 when the question has other dimensions.
    pub fn similarities<'a>(&'a self, question: &'a [u8]) -> impl Iterator<Item = f32> + 'a {
        let (factor, values) = match question.split_first_chunk::<FACTOR_BYTES>() {
            Some((factor, values)) if values.len() == self.dimensions => (f32::from_le_bytes(*factor), values),
            _ => (0.0, &[][..]),
        };
        let question: Vec<i8> = values.iter().map(|value| value.cast_signed()).collect();
        let rows = self.values.chunks_exact(self.dimensions.max(1)).zip(&self.factors);
        rows.map(move |(row, own)| dot(row, &question) as f32 * own * factor)
    }
}

/// The scalar product. In blocks, so that the compiler makes vector instructions of it.
fn dot(a: &[i8], b: &[i8]) -> i32 {
    const BLOCK: usize = 32;
    let (blocks_a, rest_a) = a.as_chunks::<BLOCK>();
    let (blocks_b, rest_b) = b.as_chunks::<BLOCK>();
    let mut sum = 0;
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        let mut block = 0_i32;
        for at in 0..BLOCK {
            block += i32::from(a[at]) * i32::from(b[at]);
        }
        sum += block;
    }
    sum + rest_a.iter().zip(rest_b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    fn random(random: &mut StdRng, dimensions: usize) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..dimensions).map(|_| random.random_range(-1.0..1.0)).collect();
        assert!(normalise(&mut vector));
        vector
    }

    #[test]
    fn packing_keeps_the_similarity() {
        let mut seeded = StdRng::seed_from_u64(7);
        for dimensions in [1, 3, 31, 32, 33, 256, 1536] {
            let (a, b) = (random(&mut seeded, dimensions), random(&mut seeded, dimensions));
            let exact: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            let mut packed = Packed::new(dimensions);
            assert!(packed.push(&pack(&a)) && packed.push(&pack(&b)));
            let found: Vec<f32> = packed.similarities(&pack(&b)).collect();
            assert!((found[0] - exact).abs() < 0.01, "{dimensions}: {} for {exact}", found[0]);
            assert!((found[1] - 1.0).abs() < 0.01, "{dimensions}: {}", found[1]);
        }
    }

    #[test]
    fn a_vector_without_a_direction_is_refused() {
        for mut vector in [vec![0.0; 4], vec![f32::NAN, 1.0], vec![f32::INFINITY, 1.0], vec![]] {
            assert!(!normalise(&mut vector));
        }
    }

    #[test]
    fn other_dimensions_are_refused() {
        let mut packed = Packed::new(2);
        assert!(!packed.push(&pack(&[1.0, 0.0, 0.0])) && !packed.push(&[1, 2]));
        assert!(packed.push(&pack(&[1.0, 0.0])));
        assert_eq!(packed.similarities(&pack(&[1.0])).collect::<Vec<_>>(), [0.0]);
        assert_eq!((packed.len(), packed.bytes()), (1, 6));
        assert_eq!((dimensions(&pack(&[1.0, 0.0])), dimensions(&[0; 4])), (Some(2), None));
    }
}
