//! What is not taken for a `plainview.toml`, and what is said of it.

use super::super::*;
use super::{EXAMPLE, is_damaged, refusal};

#[test]
fn damage_is_refused_with_a_sentence() {
    let table = [
        ("format = 1", "format = 0", "there is no format 0"),
        ("format = 1", "format = -1", "line 1: "),
        ("format = 1\n", "", "missing field `format`"),
        ("723a", "72", "the vault's id is not 32 lower-case hex digits"),
        ("723a", "723A", "the vault's id is not 32 lower-case hex digits"),
        ("723a", "723x", "the vault's id is not 32 lower-case hex digits"),
        ("\"encrypted\"", "\"Plain\"", "names are \"Plain\""),
        ("names", "shape = 1\nnames", "line 3: unknown field `shape`"),
        ("passes", "iterations = 1\npasses", "unknown field `iterations`"),
        (
            "kind = \"password\"",
            "kind = \"\\u001bx\"",
            "slot 1: \"\\u{1b}x\" is the name of no kind",
        ),
        (
            "kind = \"password\"",
            "kind = \"keyfile\"",
            "slot 1: it is a keyfile, and has fields of a password",
        ),
        ("salt = \"XjEaW4rrdpbjo4dTlXctLA\"\n", "", "lanes or salt is missing"),
        ("id = 1", "id = 0", "its id is 0"),
        ("id = 1", "id = 4294967296", "line 6: "),
        (
            "memory_kib = 8192",
            "memory_kib = 8191",
            "slot 1: memory_kib is 8191, and must be 8192 to 4194304",
        ),
        ("memory_kib = 8192", "memory_kib = 4194305", "memory_kib is 4194305"),
        ("passes = 1", "passes = 0", "passes is 0, and must be 1 to 1000"),
        ("passes = 1", "passes = 1001", "passes is 1001"),
        ("lanes = 4", "lanes = 0", "lanes is 0, and must be 1 to 64"),
        ("lanes = 4", "lanes = 65", "lanes is 65"),
        ("XjEaW4", "XjEaW", "slot 1: the salt is not 16 bytes in base64url"),
        ("ctLA\"", "ctLB\"", "slot 1: the salt is not 16 bytes in base64url"), // bits beyond the last byte
        ("aayg", "aay+", "slot 1: the wrapped key is not 48 bytes in base64url"),
        ("2WeP\"", "2We\"", "slot 1: the wrapped key is not 48 bytes in base64url"),
        ("[[slot]]", "[slot]", "line 5: "),
        ("[[slot]]", "[[slot]", "line 5: "),
        ("[seal]", "[sea]", "it has no line [seal]"),
        ("[seal]", "[seal] ", "it has no line [seal]"),
        ("NQc\"\n", "NQc\"", "not one line with a tag and nothing else"),
        ("NQc\"\n", "NQc\"\n\n", "not one line with a tag and nothing else"),
        ("NQc\"\n", "NQc\" # x\n", "not one line with a tag and nothing else"),
        ("NQc\"\n", "NQd\"\n", "the seal's tag is not 32 bytes in base64url"),
        ("NQc\"\n", "NQ\"\n", "the seal's tag is not 32 bytes in base64url"),
        ("\n\n[[", "\r\n\r\n[[", "it has a carriage return"),
    ];
    for (from, to, sentence) in table {
        assert_eq!(EXAMPLE.matches(from).count(), 1, "{from}");
        let error = refusal(EXAMPLE.replace(from, to));
        assert!(is_damaged(&error) && error.to_string().contains(sentence), "{to:?}: {error}");
    }
    let (head, seal) = EXAMPLE.split_at(EXAMPLE.find("[seal]").unwrap());
    let slot = &head[head.find("[[slot]]").unwrap()..];
    assert_eq!(refusal(format!("{head}{slot}{seal}")).to_string(), "two slots have the id 1");
    assert_eq!(refusal(format!("{}{seal}", head.replace(slot, ""))).to_string(), "it has no slot");
    assert!(
        refusal(head.replace("label = \"\"", &format!("label = \"{}\"", "x".repeat(257))) + seal)
            .to_string()
            .contains("longer than 256")
    );
    assert_eq!(refusal([b"\xff", EXAMPLE.as_bytes()].concat()).to_string(), "it is not UTF-8");
    assert_eq!(refusal("").to_string(), "it has no line [seal]");
}

#[test]
fn a_newer_format_is_seen_whatever_the_rest_is() {
    for file in [
        "format = 2",
        "format=3 # of the year 2040\n",
        "\n# x\n  format =  4294967295\n",
        "format = 2\n\u{0}[[[[=\n",
    ] {
        assert!(matches!(refusal(file), ConfigError::Newer(2..)), "{file}: {}", refusal(file));
    }
    assert!(matches!(refusal(b"vault = \"\xff\xfe\"\nformat = 2\n"), ConfigError::Newer(2)));
    assert!(matches!(
        refusal(EXAMPLE.replace("format = 1", "format = 0x2")),
        ConfigError::Newer(2)
    ));
    // In a table, the key is another one.
    assert!(is_damaged(&refusal("[x]\nformat = 2\n")));
    assert!(is_damaged(&refusal("format = 99999999999\n")));
}
