//! `POST /v1/embeddings`: hashed bags of words, so that texts with words in common are near each other.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{invalid, required};
use crate::simulator::answer::Answer;
use crate::simulator::route::Asked;

/// Most texts of a request.
const INPUTS_MAX: usize = 2_048;
/// Most tokens of a text; here words.
const TOKENS_MAX: usize = 8_192;

pub(in crate::simulator) fn embeddings(asked: &Asked) -> Result<Answer, Answer> {
    let body = asked.json()?;
    let model = required(asked, &body, "model")?;
    let native = if model.contains("3-large") { 3_072 } else { 1_536 };
    let size = match body["dimensions"].as_u64() {
        None => native,
        Some(_) if model.contains("ada-002") => return Err(invalid(asked, "This model does not support specifying dimensions.")),
        Some(size) if (1..=native as u64).contains(&size) => size as usize,
        Some(size) => return Err(invalid(asked, &format!("Invalid 'dimensions': {size}."))),
    };
    let texts: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let given = body["input"].as_array().map_or(1, Vec::len);
    if texts.is_empty() || texts.len() != given || texts.len() > INPUTS_MAX || texts.iter().any(|text| text.is_empty()) {
        return Err(invalid(asked, "'$.input' is invalid."));
    }
    let counts = texts.iter().map(|text| text.split_whitespace().count());
    if counts.clone().any(|count| count > TOKENS_MAX) {
        return Err(invalid(asked, "This model's maximum context length is 8192 tokens."));
    }
    let base64 = match body["encoding_format"].as_str() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => return Err(invalid(asked, &format!("Invalid 'encoding_format': '{other}'."))),
    };
    let row = |(index, text): (usize, &&str)| {
        let vector = embed(text, size);
        let embedding = match base64 {
            true => json!(BASE64_STANDARD.encode(vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())),
            false => json!(vector),
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    };
    let data: Vec<Value> = texts.iter().enumerate().map(row).collect();
    let tokens: usize = counts.sum();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    Ok(Answer::json(200, &json!({"object": "list", "model": model, "data": data, "usage": usage})))
}

/// Each word adds to three places that its hash chooses; the whole has length 1.
fn embed(text: &str, size: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; size];
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut any = false;
    for word in words {
        any = true;
        // FNV-1a, 64 bits.
        let hash = word
            .to_lowercase()
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        for part in 0..3 {
            let bits = hash.rotate_left(part * 21);
            let place = (bits >> 1) % size as u64;
            vector[place as usize] += if bits & 1 == 0 { 1.0 } else { -1.0 };
        }
    }
    if !any {
        vector[0] = 1.0;
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|value| *value /= length);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_make_texts_near() {
        let near = |left: &str, right: &str| -> f32 {
            embed(left, 256).iter().zip(embed(right, 256)).map(|(left, right)| left * right).sum()
        };
        assert!((near("How is the weather?", "how IS the weather") - 1.0).abs() < 1e-5);
        assert!(near("the price of a return", "What is the price?") > 0.25);
        assert!(near("the price of a return", "opening hours").abs() < 0.25);
        assert!((near("?!", "...") - 1.0).abs() < 1e-6);
    }
}
