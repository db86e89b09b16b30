//! Whom an assistant may put its callers through to.

use ai::tools::transfer::Way;

use super::*;

const ROW: &str = "[[assistants]]\nname = \"a\"\n[[assistants.transfer]]\n";

#[test]
fn destinations_are_read_in_order() {
    let config = load(
        &format!(
            "{ROW}name = \"sales\"\ntarget = \"tel:+15551230000\"\ndescription = \"New orders.\"\n\
             [[assistants.transfer]]\nname = \"desk\"\ntarget = \"sip:desk@pbx.example;transport=tcp\"\ndescription = \"All else.\"\n\
             say = \"One moment.\"\nway = \"warm\"\n"
        ),
        &[],
    );
    let transfers = &config.assistant("a").unwrap().transfers;
    let read: Vec<[&str; 3]> = transfers.iter().map(|to| [to.name.as_str(), to.target.as_str(), to.say.as_str()]).collect();
    assert_eq!(read, [["sales", "tel:+15551230000", ""], ["desk", "sip:desk@pbx.example;transport=tcp", "One moment."]]);
    assert_eq!([transfers[0].way, transfers[1].way], [Way::Auto, Way::Warm]);
}

#[test]
fn a_destination_that_cannot_be_is_refused_by_its_key() {
    check(
        ROW,
        "assistants[0].transfer[0].name: must be set\n\
         assistants[0].transfer[0].target: must be set\n\
         assistants[0].transfer[0].description: must be set",
    );
    let target = "assistants[0].transfer[0].target: is not a sip:, sips: or tel: URI without headers";
    for uri in ["+15551230000", "https://x.example", "sip:a@b?Replaces=x", "sip:"] {
        check(&format!("{ROW}name = \"a\"\ntarget = \"{uri}\"\ndescription = \"b\"\n"), target);
    }
    let row = "name = \"a\"\ntarget = \"tel:1\"\ndescription = \"b\"\n";
    check(
        &format!("{ROW}{row}[[assistants.transfer]]\n{}", row.replace("\"a\"", "\"A\"")),
        "assistants[0].transfer[1].name: \"A\" is there twice",
    );
    check(&format!("{ROW}{}", row.replace("\"b\"", "\"\"")), "assistants[0].transfer[0].description: must not be empty");
    check(
        &format!("{ROW}{row}way = \"cold\"\n"),
        "assistants[0].transfer[0].way: \"cold\" is not one of auto, refer, bridge, warm",
    );
    let many =
        format!("{ROW}{row}") + &"[[assistants.transfer]]\nname = \"x\"\ntarget = \"tel:1\"\ndescription = \"b\"\n".repeat(32);
    assert!(mistakes(&many, &[]).contains("assistants[0].transfer: 33 are above 32"));
}
