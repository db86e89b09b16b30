//! Cuts a document into chunks along its structure: never across a heading, else between paragraphs, then sentences, then words.

use super::extract::{Block, BlockKind};

/// How chunks are cut. Lengths are in characters; four of them are about one token of English.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChunkConfig {
    /// Longest chunk, without its heading.
    pub size: usize,
    /// How much of a chunk's end begins the next one of the same section, so that a thought cut in two is whole in one of
    /// them; below half of `size`.
    pub overlap: usize,
    /// Most chunks of one document.
    pub chunks_max: usize,
}

impl Default for ChunkConfig {
    /// 1,200 characters: what a model reads before it answers a caller must be short. An overlap of a sentence or two.
    fn default() -> Self {
        Self { size: 1200, overlap: 150, chunks_max: 5000 }
    }
}

/// A piece of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunk {
    /// Its place in the document, from 0.
    pub position: usize,
    /// The headings above it, the outermost first, joined by ` > `; empty when there are none.
    pub heading: String,
    /// Its text.
    pub text: String,
}

/// A document of more chunks than [`ChunkConfig::chunks_max`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the document has more than {limit} chunks; split it")]
pub struct TooManyChunks {
    /// The limit.
    pub limit: usize,
}

/// Cuts `blocks`.
///
/// # Errors
/// [`TooManyChunks`].
pub fn chunk(blocks: &[Block], config: &ChunkConfig) -> Result<Vec<Chunk>, TooManyChunks> {
    let mut cutter = Cutter { config: *config, headings: Vec::new(), chunks: Vec::new(), text: String::new(), fresh: false };
    for block in blocks {
        match block.kind {
            BlockKind::Heading(level) => cutter.heading(level, &block.text),
            BlockKind::Paragraph => cutter.paragraph(&block.text),
        }
        if cutter.chunks.len() > config.chunks_max {
            return Err(TooManyChunks { limit: config.chunks_max });
        }
    }
    cutter.end_section();
    if cutter.chunks.len() > config.chunks_max {
        return Err(TooManyChunks { limit: config.chunks_max });
    }
    Ok(cutter.chunks)
}

struct Cutter {
    config: ChunkConfig,
    headings: Vec<(u8, String)>,
    chunks: Vec<Chunk>,
    text: String,
    /// Whether `text` has more than what the last chunk ended with.
    fresh: bool,
}

impl Cutter {
    fn heading(&mut self, level: u8, text: &str) {
        self.end_section();
        while self.headings.last().is_some_and(|(above, _)| *above >= level) {
            self.headings.pop();
        }
        self.headings.push((level, text.to_owned()));
    }

    fn paragraph(&mut self, text: &str) {
        for (index, piece) in pieces(text, self.config.size).into_iter().enumerate() {
            let joint = if index == 0 { "\n" } else { " " };
            if !self.text.is_empty() && length(&self.text) + 1 + length(piece) > self.config.size {
                self.cut();
                // The overlap is a help, not a reason for another chunk.
                if length(&self.text) + 1 + length(piece) > self.config.size {
                    self.text.clear();
                }
            }
            if !self.text.is_empty() {
                self.text.push_str(joint);
            }
            self.text.push_str(piece);
            self.fresh = true;
        }
    }

    /// Ends the chunk; its end begins the next.
    fn cut(&mut self) {
        let tail = tail(&self.text, self.config.overlap).to_owned();
        self.end_chunk();
        self.text = tail;
    }

    fn end_section(&mut self) {
        self.end_chunk();
        self.text.clear();
    }

    fn end_chunk(&mut self) {
        let text = std::mem::take(&mut self.text);
        if std::mem::take(&mut self.fresh) {
            let headings: Vec<&str> = self.headings.iter().map(|(_, text)| text.as_str()).collect();
            self.chunks.push(Chunk { position: self.chunks.len(), heading: headings.join(" > "), text });
        }
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// `text` in pieces of at most `size` characters: whole, or sentence by sentence, or cut between words.
fn pieces(text: &str, size: usize) -> Vec<&str> {
    if length(text) <= size {
        return if text.is_empty() { Vec::new() } else { vec![text] };
    }
    let mut pieces = Vec::new();
    for sentence in sentences(text) {
        let mut rest = sentence;
        while length(rest) > size {
            let end = rest.char_indices().nth(size).map_or(rest.len(), |(at, _)| at);
            let cut = rest[..end].rfind(char::is_whitespace).filter(|cut| *cut > 0).unwrap_or(end);
            pieces.push(rest[..cut].trim_end());
            rest = rest[cut..].trim_start();
        }
        if !rest.is_empty() {
            pieces.push(rest);
        }
    }
    pieces
}

/// The sentences of `text`: after a full stop, question or exclamation mark before white space, and lines.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let (mut start, mut ended) = (0, false);
    for (at, c) in text.char_indices() {
        if c == '\n' || (ended && c.is_whitespace()) {
            sentences.push(text[start..at].trim());
            start = at;
        }
        ended = matches!(c, '.' | '!' | '?' | '。' | '！' | '？') || (ended && matches!(c, '"' | '\'' | ')' | '”' | '’'));
    }
    sentences.push(text[start..].trim());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// The last sentences of `text` that fit into `max` characters; the last words when no sentence does.
fn tail(text: &str, max: usize) -> &str {
    let skipped = length(text).saturating_sub(max);
    let window = text.char_indices().nth(skipped).map_or("", |(at, _)| &text[at..]);
    let whole = sentences(text);
    let starts = whole.iter().map(|sentence| sentence.as_ptr().addr() - text.as_ptr().addr());
    match starts.map(|at| &text[at..]).find(|rest| rest.len() <= window.len()) {
        Some(rest) => rest,
        None => window.find(char::is_whitespace).map_or("", |at| window[at..].trim_start()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `# ` begins a heading of so many `#`; other lines are paragraphs. The chunks come as `heading: text`, joined by `|`.
    fn check(size: usize, overlap: usize, document: &str, expected: &str) {
        let blocks: Vec<Block> = document
            .lines()
            .map(|line| match line.trim_start_matches('#') {
                rest if rest.len() < line.len() => Block::heading((line.len() - rest.len()) as u8, rest.trim()),
                text => Block::paragraph(text),
            })
            .collect();
        let chunks = chunk(&blocks, &ChunkConfig { size, overlap, chunks_max: 100 }).unwrap();
        for (index, chunk) in chunks.iter().enumerate() {
            assert_eq!(chunk.position, index);
            assert!(length(&chunk.text) <= size, "{chunk:?}");
        }
        let shown: Vec<String> = chunks.iter().map(|chunk| format!("{}: {}", chunk.heading, chunk.text)).collect();
        assert_eq!(shown.join("|").replace('\n', "/"), expected);
    }

    #[test]
    fn a_section_is_a_chunk_with_its_headings() {
        check(80, 20, "# A\none\ntwo\n## B\nthree\n## C\n# D\nfour", "A: one/two|A > B: three|D: four");
        check(80, 20, "no heading", ": no heading");
        check(80, 20, "# only a heading", "");
        check(80, 20, "### Deep\nx\n# Top\ny", "Deep: x|Top: y");
    }

    #[test]
    fn a_long_section_is_cut_between_paragraphs() {
        check(12, 0, "# A\none two.\nthree.\nfour five six", "A: one two.|A: three.|A: four five|A: six");
        check(20, 0, "one two three.\nfour five six.", ": one two three.|: four five six.");
    }

    #[test]
    fn the_end_of_a_chunk_begins_the_next_one() {
        check(
            30,
            12,
            "First one. Second. Third one is here. Fourth.",
            ": First one. Second.|: Second. Third one is here.|: is here. Fourth.",
        );
        check(30, 14, "aaaa bbbb cccc dddd eeee ffff gggg hhhh", ": aaaa bbbb cccc dddd eeee ffff|: eeee ffff gggg hhhh");
    }

    #[test]
    fn what_has_no_words_is_cut_anywhere() {
        check(10, 4, "ääääääääääääääääääääääää", ": ääääääääää|: ääääääääää|: ääää");
    }

    #[test]
    fn an_overlap_alone_is_no_chunk() {
        check(
            20,
            8,
            "One two three. Four.\nFive six seven eight.",
            ": One two three. Four.|: Four./Five six seven|: seven eight.",
        );
    }

    #[test]
    fn too_many_chunks_are_refused() {
        let blocks: Vec<Block> = (0..5).flat_map(|_| [Block::heading(1, "x"), Block::paragraph("y")]).collect();
        let config = ChunkConfig { chunks_max: 4, ..ChunkConfig::default() };
        assert_eq!(chunk(&blocks, &config).unwrap_err().to_string(), "the document has more than 4 chunks; split it");
        assert_eq!(chunk(&blocks, &ChunkConfig { chunks_max: 5, ..config }).unwrap().len(), 5);
    }
}
