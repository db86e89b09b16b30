//! Documents in, blocks out.
#![allow(clippy::unwrap_used)]

use super::*;

/// Blocks joined by `|`, a heading with so many `#`.
fn shown(format: Format, bytes: &[u8]) -> String {
    let blocks = match extract(format, bytes) {
        Ok(blocks) => blocks,
        Err(error) => return error.to_string(),
    };
    let line = |block: &Block| match block.kind {
        BlockKind::Heading(level) => format!("{} {}", "#".repeat(level.into()), block.text),
        BlockKind::Paragraph => block.text.clone(),
    };
    blocks.iter().map(line).collect::<Vec<_>>().join("|")
}

fn check(format: Format, document: &str, expected: &str) {
    assert_eq!(shown(format, document.as_bytes()), expected, "{document}");
}

#[test]
fn text_has_paragraphs() {
    check(Format::Text, "one\n two \n\n\n three\r\n\r\nfour", "one two|three|four");
    check(Format::Text, " \n\t\n", "the text has no text");
}

#[test]
fn markdown_has_headings_lists_tables_and_code() {
    check(
        Format::Markdown,
        "---\ntitle: x\n---\n# A *big* `title`\n\nOne\ntwo [link](http://x) ![alt](i.png).\n\n- a\n- b\n  - c\n\n## Sub\n\n\
         | k | v |\n|---|---|\n| port | 5060 |\n\n```sh\nmake run\n```\n> quoted\n\n<div onclick=\"x\">html</div>\n\nend",
        "# A big title|One two link alt.|a|b|c|## Sub|k | v|port | 5060|make run|quoted|end",
    );
    check(Format::Markdown, "# only a title", "the markdown has no text");
}

#[test]
fn html_is_what_people_read_of_it() {
    check(
        Format::Html,
        "<!doctype html><html><head><title>T</title><script>if (a < b) { alert('<p>no</p>') }</script></head><body>\
         <nav><a href=x>Home</a></nav><h1>Caf&eacute; &amp; <b>Bar</b></h1><p>One<br>two<p>three <i>four</i>\
         <script>var x = \"</p>\";</script><style>p{}</style><ul><li>a<li>b</ul><table><tr><td>k</td><td>v</td></tr></table>\
         <template>no</template><svg><text>no</text></svg>end",
        "# Café & Bar|One two|three four|a|b|k v|end",
    );
    check(Format::Html, "<p onclick='alert(1)'>safe &lt;script&gt;", "safe <script>");
    check(Format::Html, "<script>alert(1)</script>", "the html has no text");
    check(Format::Html, "<h2>open <p>para", "## open|para");
    check(Format::Html, "<head><meta x><body>body", "body");
    check(Format::Html, "a<script>never closed", "a");
    check(Format::Html, "<<<>>>&&&;\u{202e}", "<<<>>>&&&;\u{202e}");
}

#[test]
fn deep_markup_is_only_long() {
    let deep = "<div>".repeat(100_000) + "x";
    check(Format::Html, &deep, "x");
    let deep = "> ".repeat(5_000) + "x";
    assert!(shown(Format::Markdown, deep.as_bytes()).ends_with('x'));
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_begin() {
    let wrong = |at: usize| format!("the text is no text: byte {at} is of none; save it as UTF-8");
    assert_eq!(shown(Format::Text, b"ab\0"), wrong(2));
    // A picture, which the Western encoding alone would take.
    assert_eq!(shown(Format::Text, b"\x89PNG\r\n\x1a\n"), wrong(0));
    assert_eq!(shown(Format::Text, b"ab\x81"), wrong(2));
    assert_eq!(shown(Format::Text, b"\xfe\xff\0"), wrong(0));
    assert_eq!(shown(Format::Text, b"\xef\xbb\xbfab\xff"), wrong(2));
}

#[test]
fn text_is_read_in_the_encoding_of_its_mark_or_as_browsers_guess() {
    let read = |bytes: &[u8], expected: &str| assert_eq!(shown(Format::Text, bytes), expected);
    read(b"\xff\xfea\0b\0", "ab");
    read(b"\xfe\xff\0a", "a");
    read(b"\xef\xbb\xbfa", "a");
    read("Öffnung".as_bytes(), "Öffnung");
    read(b"\xd6ffnung \x80 5 \x96 \x93ab\x94", "Öffnung € 5 – “ab”");
}

#[test]
fn a_page_names_its_encoding_itself() {
    let read = |page: &[u8], expected: &str| assert_eq!(shown(Format::Html, page), expected);
    read(b"<html><head><meta charset='ISO-8859-2'></head><body>\xb1\xb6", "ąś");
    read(b"<meta http-equiv=Content-Type content=\"text/html; charset=windows-1251\"><p>\xd7\xe0\xf1\xfb", "Часы");
    read(b"<meta charset=shift_jis><p>\x89c\x8b\xc6\x8e\x9e\x8a\xd4", "営業時間");
    read(b"<?xml version='1.0' encoding='iso-8859-15'?><html><body>\xa4", "€");
    // The mark is stronger; a page that is read so far is not UTF-16; who names nothing known names nothing.
    read(b"\xef\xbb\xbf<meta charset=iso-8859-2><p>\xc3\xb6", "ö");
    read(b"<meta charset=utf-16><p>\xc3\xb6", "ö");
    read(b"<meta charset=klingon><p>\xf6", "ö");
    // Neither a comment nor a script says anything.
    read(b"<!-- <meta charset=iso-8859-2> --><script>'<meta charset=iso-8859-2>'</script><p>\xb1", "±");
    // One wrong byte does not cost the page.
    read(b"<meta charset=utf-8><p>\xc3\xb6 \xff", "ö \u{fffd}");
    let late = [b"<p>".as_slice(), &[b' '; 1100], b"<meta charset=iso-8859-2>\xb1"].concat();
    read(&late, "±");
}

#[test]
fn what_a_server_says_of_an_encoding_is_kept_with_the_text() {
    let read = |content_type: &str, page: &[u8], expected: &str| {
        let kept = kept(Format::Html, page.to_vec(), content_type);
        assert_eq!(shown(Format::Html, &kept), expected, "{content_type}");
    };
    read("text/html; charset=windows-1251", b"<p>\xd7\xe0\xf1\xfb", "Часы");
    read("text/html; Charset=\"ISO-8859-2\"; x=y", b"<meta charset=utf-8><p>\xb1", "ą");
    read("text/html; charset=utf-8", b"<meta charset=iso-8859-2><p>\xc3\xb6", "ö");
    read("text/html; charset=utf-16le", b"<\0p\0>\0a\0", "a");
    read("text/html; charset=klingon", b"<meta charset=iso-8859-2><p>\xb1", "ą");
    read("text/html; charset=iso-8859-2", b"\xef\xbb\xbf<p>\xc3\xb6", "ö");
    assert_eq!(kept(Format::Html, b"<p>\xb1".to_vec(), "text/html"), b"<p>\xb1");
    assert_eq!(kept(Format::Pdf, b"%PDF-\xb1".to_vec(), "application/pdf; charset=iso-8859-2"), b"%PDF-\xb1");
}

/// A PDF of one page that says `text`; the library finds the objects without a table when it is missing.
pub(crate) fn pdf(text: &str) -> Vec<u8> {
    let stream = format!("BT /F1 12 Tf 72 720 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{stream}\nendstream", stream.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = "%PDF-1.4\n".to_owned();
    let mut places = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        places.push(file.len());
        file += &format!("{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    let table = file.len();
    file += &format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        file += &format!("{place:010} 00000 n \n");
    }
    file += &format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    file.into_bytes()
}

#[test]
fn a_pdf_gives_its_text() {
    assert_eq!(shown(Format::Pdf, &pdf("Hello from a PDF")), "Hello from a PDF");
    assert_eq!(shown(Format::Pdf, &pdf("")), "the pdf has no text; pictures of text are not read");
}

#[test]
fn what_is_no_pdf_is_refused() {
    assert_eq!(shown(Format::Pdf, b"hello"), "the PDF cannot be read: it does not begin with %PDF-");
    let begun = shown(Format::Pdf, b"%PDF-1.4\nhello");
    assert!(begun.starts_with("the PDF cannot be read: "), "{begun}");
    // The filter names no cipher, so that no password can open it.
    let object = "6 0 obj\n<< /Filter /Standard /V 9 /R 9 >>\nendobj\nxref";
    let locked = String::from_utf8(pdf("x")).unwrap().replace("xref\n0", &format!("{object}\n0"));
    let locked = locked.replace("/Root 1 0 R", "/Root 1 0 R /Encrypt 6 0 R");
    let locked = shown(Format::Pdf, locked.as_bytes());
    assert!(locked.starts_with("the PDF "), "{locked}");
}

#[tokio::test]
async fn a_cut_pdf_is_an_error_and_not_a_panic() {
    let whole = pdf("Hello");
    for length in (0..whole.len()).step_by(7) {
        let read = Reader::default().read(Format::Pdf, whole[..length].to_vec()).await;
        assert!(!matches!(read, Err(ExtractError::Late { .. })), "{length}");
    }
}

#[test]
fn formats_are_known_by_name_and_by_content_type() {
    assert_eq!(Format::of_name("a/b.c/Readme.MD"), Some(Format::Markdown));
    assert_eq!(Format::of_name("noending"), None);
    assert_eq!(Format::of_content_type("text/HTML; charset=utf-8"), Some(Format::Html));
    assert_eq!(Format::of_content_type("image/png"), None);
    assert_eq!("pdf".parse::<Format>(), Ok(Format::Pdf));
    assert_eq!("doc".parse::<Format>().unwrap_err().to_string(), "\"doc\" is not one of html, markdown, pdf, text");
}
