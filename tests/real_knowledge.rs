//! The knowledge base from the command line and from the configuration file, with the program itself.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::{Folder, Server, offhook};

/// Runs `offhook knowledge` in `folder`; the exit code and what was printed, ids replaced by `ID`.
fn knowledge(folder: &Folder, arguments: &[&str]) -> (i32, String) {
    let arguments: Vec<&str> = ["knowledge"].iter().chain(arguments).copied().collect();
    let output = offhook(folder.path(), &arguments, &[]);
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let id = word.split(['.', ' ']).next().unwrap();
        if id.len() == 36 && id.matches('-').count() == 4 { word.replace(id, "ID") } else { word.to_owned() }
    });
    (output.status.code().unwrap(), words.collect())
}

/// A PDF whose page draws a form that draws itself: its library recurses until the stack is full.
fn endless_pdf() -> String {
    let stream = |extra: &str| format!("<< /Length 5 {extra} >>\nstream\n/F Do\nendstream");
    let resources = "/Resources << /XObject << /F 5 0 R >> >>";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R {resources} >>"),
        stream(""),
        stream(&format!("/Type /XObject /Subtype /Form /BBox [0 0 9 9] {resources}")),
    ];
    let mut file = "%PDF-1.4\n".to_owned();
    let mut table = "xref\n0 6\n0000000000 65535 f \n".to_owned();
    for (index, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", file.len());
        file += &format!("{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    let start = file.len();
    file + &table + &format!("trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n")
}

#[test]
fn documents_are_put_found_and_removed_at_a_terminal() {
    let folder = Folder::new();
    fs::write(folder.path().join("hours.md"), "# Shop\n\nWe open at nine.").unwrap();
    let hours = folder.path().join("hours.md");
    let check = |arguments: &[&str], code: i32, expected: &str| {
        assert_eq!(knowledge(&folder, arguments), (code, expected.to_owned()), "{arguments:?}");
    };
    check(&["add", hours.to_str().unwrap()], 0, "ID  ready    1 chunks  default/hours.md\n");
    check(&["add", hours.to_str().unwrap(), "--name", "Opening", "--base", "faq"], 0, "ID  ready    1 chunks  faq/Opening\n");
    check(&["search", "When do you open?", "--base", "faq"], 0, "1. Opening: Shop (1.00, ID.1.0)\n   We open at nine.\n");
    check(&["search", "fax"], 0, "nothing found\n");
    check(&["list"], 0, "ID  ready    1 chunks  faq/Opening\nID  ready    1 chunks  default/hours.md\n");
    check(&["add", "nothing.md"], 1, "nothing.md cannot be read: No such file or directory (os error 2)\n");
    check(
        &["add", "http://169.254.169.254/"],
        1,
        "url: 169.254.169.254 is a link-local or metadata address (169.254.169.254), where no document is\n",
    );
    check(&["remove", "x"], 1, "\"x\" is not an id, which `offhook knowledge list` prints\n");
}

/// What overflows the stack of its reader ends that, and its document says so.
#[test]
fn a_pdf_that_brings_its_reader_down_harms_nothing_else() {
    let folder = Folder::new();
    let path = folder.path().join("endless.pdf");
    fs::write(&path, endless_pdf()).unwrap();
    let broken = "ID  failed   0 chunks  default/endless.pdf: the PDF cannot be read: it is broken\n";
    assert_eq!(knowledge(&folder, &["add", path.to_str().unwrap()]), (1, broken.to_owned()));
    fs::write(&path, "no PDF").unwrap();
    let none = "content: the PDF cannot be read: it does not begin with %PDF-\n";
    assert_eq!(knowledge(&folder, &["add", path.to_str().unwrap()]), (1, none.to_owned()));
}

#[test]
fn a_server_reads_the_documents_of_its_file() {
    let files = Folder::new();
    fs::write(files.path().join("hours.md"), "# Shop\n\nWe open at nine.").unwrap();
    fs::write(files.path().join("broken.pdf"), endless_pdf()).unwrap();
    let server = Server::start(&format!("[[knowledge.documents]]\npath = {:?}\n", files.path()));
    server.wait_metric("offhook_knowledge_documents", "status=\"ready\"", 1.0);
    server.wait_metric("offhook_knowledge_documents", "status=\"failed\"", 1.0);
    assert_eq!(server.metric("offhook_knowledge_ingested_total", "outcome=\"failed\""), 1.0);
    let (runtime, database) = server.database();
    let documents = runtime.block_on(async {
        let knowledge = store::KnowledgeStore::open(&database).await.unwrap();
        knowledge.documents("default", 10, None).await.unwrap()
    });
    let mut names: Vec<&str> = documents.iter().map(|document| document.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["broken.pdf", "hours.md"]);
    assert!(server.log().contains("cannot be read"), "{}", server.log());
}
