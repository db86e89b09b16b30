//! Markdown by its grammar: code keeps its words, HTML and link targets are left out, a row of a table is a paragraph.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{Block, Builder};

pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut builder = Builder::default();
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut metadata = false;
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(Tag::MetadataBlock(_)) => metadata = true,
            Event::End(TagEnd::MetadataBlock(_)) => metadata = false,
            _ if metadata => {}
            Event::Start(Tag::Heading { level, .. }) => builder.begin(Some(level as u8)),
            Event::End(TagEnd::TableCell) => builder.push(" | "),
            Event::Start(
                Tag::Paragraph
                | Tag::Item
                | Tag::CodeBlock(_)
                | Tag::TableHead
                | Tag::TableRow
                | Tag::BlockQuote(_)
                | Tag::HtmlBlock,
            )
            | Event::End(
                TagEnd::Heading(_)
                | TagEnd::Paragraph
                | TagEnd::Item
                | TagEnd::CodeBlock
                | TagEnd::TableHead
                | TagEnd::TableRow
                | TagEnd::BlockQuote(_)
                | TagEnd::HtmlBlock,
            )
            | Event::Rule => builder.begin(None),
            Event::Text(text) | Event::Code(text) => builder.push(&text),
            Event::SoftBreak | Event::HardBreak => builder.push(" "),
            _ => {}
        }
    }
    let mut blocks = builder.finish();
    for block in &mut blocks {
        // What stands after the last cell of a row.
        block.text.truncate(block.text.trim_end_matches([' ', '|']).len());
    }
    blocks.retain(|block| !block.text.is_empty());
    blocks
}
