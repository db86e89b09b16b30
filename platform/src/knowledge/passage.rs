//! What an answer consists of, and how a model and the record get it.

use ai::tools::Source;
use serde_json::{Value, json};
use store::DocumentId;

/// A passage of a document that answers a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// Names the chunk: document, version and place in it.
    pub chunk: String,
    /// Its document.
    pub document: DocumentId,
    /// The document's name.
    pub name: String,
    /// The document's knowledge base.
    pub base: String,
    /// The headings above it, the outermost first, joined by ` > `.
    pub heading: String,
    /// Its text.
    pub text: String,
    /// How well it answers, 0 to 1: the similarity of the vectors, or the share of the question's words that it has, whichever
    /// is larger. The order is not by it alone.
    pub score: f32,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Its passages, the best first.
    pub passages: Vec<Passage>,
    /// Whether vectors took part. False without embeddings, and when they or the vector store could not be asked.
    pub by_vectors: bool,
}

/// The result of the tool `search_knowledge` as a model reads it: JSON of at most `bytes_max`. Passages that do not fit are left
/// out, the last one is cut.
#[must_use]
pub fn render(passages: &[Passage], bytes_max: usize) -> String {
    let mut rows: Vec<Value> = Vec::new();
    let whole = |rows: &[Value]| json!({"passages": rows}).to_string();
    for passage in passages {
        let row = |text: &str| json!({"source": origin(passage), "id": passage.chunk, "text": text});
        rows.push(row(&passage.text));
        let over = whole(&rows).len().saturating_sub(bytes_max);
        if over == 0 {
            continue;
        }
        rows.pop();
        // An escape takes six bytes at most, so that cutting more than is over always suffices in a few rounds.
        let mut keep = passage.text.len();
        while keep > 0 {
            let step = (whole(&[rows.clone(), vec![row(&passage.text[..keep])]].concat()).len()).saturating_sub(bytes_max);
            if step == 0 {
                rows.push(row(&passage.text[..keep]));
                break;
            }
            keep = passage.text.floor_char_boundary(keep.saturating_sub(step));
        }
        break;
    }
    match rows.is_empty() {
        true => json!({"passages": [], "note": "nothing about this was found"}).to_string(),
        false => whole(&rows),
    }
}

/// Where a passage is from, for a person.
fn origin(passage: &Passage) -> String {
    match passage.heading.as_str() {
        "" => passage.name.clone(),
        heading => format!("{}: {heading}", passage.name),
    }
}

/// What a tool says that its output is based on.
#[must_use]
pub fn sources(passages: &[Passage]) -> Vec<Source> {
    let source = |passage: &Passage| Source {
        chunk: passage.chunk.clone(),
        document: passage.name.clone(),
        heading: passage.heading.clone(),
        score: passage.score,
        text: passage.text.clone(),
    };
    passages.iter().map(source).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn passage(name: &str, heading: &str, text: &str) -> Passage {
        Passage {
            chunk: "c".to_owned(),
            document: DocumentId::generate(),
            name: name.to_owned(),
            base: "faq".to_owned(),
            heading: heading.to_owned(),
            text: text.to_owned(),
            score: 0.5,
        }
    }

    #[test]
    fn a_model_reads_passages_with_their_source() {
        let passages = [passage("hours", "Guide > Shop", "Nine."), passage("menu", "", "Soup.")];
        let expected = r#"{"passages":[{"id":"c","source":"hours: Guide > Shop","text":"Nine."},{"id":"c","source":"menu","text":"Soup."}]}"#;
        assert_eq!(render(&passages, 1000), expected);
        assert_eq!(render(&[], 1000), r#"{"note":"nothing about this was found","passages":[]}"#);
    }

    #[test]
    fn a_result_never_passes_its_limit() {
        let passages = [passage("a", "h", &"ü\"\n".repeat(50)), passage("b", "h", &"long ".repeat(100))];
        let full = render(&passages, usize::MAX).len();
        for limit in 55..full {
            let text = render(&passages, limit);
            assert!(text.len() <= limit, "{limit}: {}", text.len());
            assert!(serde_json::from_str::<Value>(&text).unwrap()["passages"].is_array());
        }
        assert_eq!(render(&passages, full).len(), full);
    }

    #[test]
    fn sources_keep_the_order() {
        let sources = sources(&[passage("a", "", "x"), passage("b", "", "y")]);
        let told: Vec<_> = sources.iter().map(|source| (source.document.as_str(), source.text.as_str())).collect();
        assert_eq!(told, [("a", "x"), ("b", "y")]);
    }
}
