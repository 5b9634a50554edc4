//! Each claim in the documents names the tests that show it, and these tests exist.

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

use crate::support::root;

fn read(path: &str) -> String {
    read_to_string(root().join(path)).expect("committed")
}

/// README.md, CONTRIBUTING.md and the pages of docs/, with their paths.
fn documents() -> Vec<(PathBuf, String)> {
    let pages = read_dir(root().join("docs")).expect("committed");
    let mut paths: Vec<_> = pages.map(|page| page.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.extend(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let document = |path: PathBuf| {
        let text = read_to_string(&path).expect("text");
        (path, text)
    };
    paths.into_iter().map(document).collect()
}

/// The parts of a text between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// All Rust sources below a directory.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in read_dir(dir).expect("committed") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// True if the file has a test of that name.
fn has_test(file: &Path, name: &str) -> bool {
    let text = read_to_string(file).unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let start = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        let mut above = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        line.starts_with(&start) && above.any(|line| *line == "#[test]")
    })
}

/// The folders of tests/it that hold tests.
fn folders() -> BTreeSet<String> {
    let entries = read_dir(root().join("tests/it")).expect("committed").flatten();
    let dirs = entries.filter(|entry| entry.path().is_dir());
    let names = dirs.map(|dir| dir.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "support").collect()
}

/// Whether the test that `named` names, as `folder::file::name` or `src::name`, exists; `None` if it does not
/// name a test.
fn test_exists(named: &str) -> Option<bool> {
    let parts: Vec<_> = named.split("::").collect();
    match parts[..] {
        ["src", name] => {
            let dirs = ["src", "environment/src", "launcher/src", "fuzz/checks"]
                .map(|dir| root().join(dir));
            Some(dirs.iter().flat_map(|dir| sources(dir)).any(|file| has_test(&file, name)))
        }
        [folder, file, name] if folders().contains(folder) => {
            let file = root().join("tests/it").join(folder).join(file).with_extension("rs");
            Some(has_test(&file, name))
        }
        [folder, ..] if folders().contains(folder) && parts.len() > 1 => Some(false),
        _ => None,
    }
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let mut count = 0;
    let mut missing = Vec::new();
    for (path, text) in documents() {
        for named in code(&text) {
            let Some(exists) = test_exists(named) else { continue };
            count += 1;
            if !exists {
                missing.push(format!("{}: {named}", path.display()));
            }
        }
    }
    assert!(count > 40, "{count}");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_file_of_the_tests_that_a_document_names_is_there() {
    let mut count = 0;
    let mut missing = Vec::new();
    for (path, text) in documents() {
        for named in code(&text) {
            // Arguments may follow the path.
            let named = named.split(' ').next().unwrap_or_default();
            if ["tests/", "ci/", ".ci/", "fuzz/"].iter().any(|dir| named.starts_with(dir)) {
                count += 1;
                if !root().join(named).exists() {
                    missing.push(format!("{}: {named}", path.display()));
                }
            }
        }
    }
    assert!(count > 10, "{count}");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The rows of the tables whose columns are "claim" and "shown by".
fn claims(page: &str) -> Vec<(&str, &str)> {
    let mut rows = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        let cells = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |"));
        match cells.and_then(|cells| cells.rsplit_once(" | ")) {
            Some(("claim", "shown by")) => inside = true,
            Some(row) if inside => rows.push(row),
            _ => inside &= line.starts_with("|--"),
        }
    }
    rows
}

#[test]
fn every_claim_about_security_names_what_shows_it() {
    let page = read("docs/security.md");
    let claims = claims(&page);
    assert!(claims.len() > 20, "{claims:#?}");
    for (claim, shown_by) in claims {
        let shown = code(shown_by)
            .any(|named| test_exists(named) == Some(true) || root().join(named).is_file());
        assert!(shown, "{claim}: {shown_by}");
    }
}

/// The items of a section, each on one line.
fn items(page: &str, section: &str) -> Vec<String> {
    let start = format!("\n## {section}\n");
    let (_, text) = page.split_once(&start).expect("the section");
    let text = text.split("\n## ").next().unwrap_or_default();
    let one_line = |item: &str| item.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("\n{text}").split("\n- ").skip(1).map(one_line).collect()
}

#[test]
fn every_claim_of_the_readme_names_its_tests() {
    let (readme, page) = (read("README.md"), read("docs/security.md"));
    let items = items(&readme, "Guarantees");
    assert!(items.len() > 3, "{items:#?}");
    let claims = claims(&page);
    // The item that refers to docs/security.md has its tests there.
    for item in items.iter().filter(|item| !item.contains("docs/security.md")) {
        let claim = claims.iter().find(|(claim, _)| claim == item);
        let (_, shown_by) = claim.unwrap_or_else(|| panic!("docs/security.md lacks: {item}"));
        assert!(code(shown_by).any(|named| test_exists(named) == Some(true)), "{item}: {shown_by}");
    }
}
