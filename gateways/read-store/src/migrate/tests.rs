//! Which files are applied, and which databases are refused.

use super::{FILES, MigrateError, Migration, Note, checksum, pending};

const A: Migration = Migration { version: 1, file: "0001_a.sql", sql: "SELECT 1;\n" };
const B: Migration = Migration { version: 2, file: "0002_b.sql", sql: "SELECT 2;\n" };
const C: Migration = Migration { version: 3, file: "0003_c.sql", sql: "SELECT 3;\n" };

fn note(migration: &Migration) -> Note {
    Note { version: migration.version, file: migration.file.to_owned(), checksum: checksum(migration.sql) }
}

fn refusal(notes: &[Note], files: &[Migration]) -> String {
    pending(notes, files).unwrap_err().to_string()
}

#[test]
fn the_list_is_the_folder() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    names.sort();
    let listed: Vec<&str> = FILES.iter().map(|migration| migration.file).collect();
    assert_eq!(listed, names);
    for (migration, number) in FILES.iter().zip(1..) {
        assert_eq!(migration.version, number, "{}: numbers have no gaps", migration.file);
        assert!(migration.file.starts_with(&format!("{number:04}_")), "{}", migration.file);
        let text = std::fs::read_to_string(folder.join(migration.file)).unwrap();
        assert_eq!(migration.sql, text, "{}", migration.file);
    }
}

#[test]
fn what_is_new_is_applied_in_order_and_nothing_else() {
    let files = [A, B, C];
    assert_eq!(pending(&[], &files).unwrap(), [&A, &B, &C]);
    assert_eq!(pending(&[note(&A)], &files).unwrap(), [&B, &C]);
    assert!(pending(&[note(&A), note(&B), note(&C)], &files).unwrap().is_empty());
}

#[test]
fn an_edited_file_is_refused_by_name() {
    let edited = Migration { sql: "SELECT 1, 2;\n", ..A };
    let said = refusal(&[note(&A)], &[edited, B]);
    assert!(said.contains("0001_a.sql was edited"), "{said}");
}

#[test]
fn a_file_with_the_line_ends_of_another_machine_is_the_same_file() {
    let carried = Migration { sql: "SELECT 1;\r\n", ..A };
    assert_eq!(pending(&[note(&A)], &[carried, B]).unwrap(), [&B]);
}

#[test]
fn a_missing_file_is_refused_by_name() {
    let said = refusal(&[note(&A), note(&B)], &[A, C]);
    assert!(said.contains("0002_b.sql was applied") && said.contains("does not have it"), "{said}");
    let newer = refusal(&[note(&A), note(&B), note(&C)], &[A, B]);
    assert!(newer.contains("0003_c.sql"), "{newer}");
}

#[test]
fn files_that_changed_places_are_refused_by_name() {
    let swapped = [Migration { version: 2, ..A }, Migration { version: 1, ..B }];
    let said = refusal(&[note(&A), note(&B)], &swapped);
    assert!(said.contains("was applied as 0001_a.sql and is 0002_b.sql here"), "{said}");
}

#[test]
fn a_file_that_comes_in_between_is_refused_by_name() {
    let error = pending(&[note(&A), note(&C)], &[A, B, C]).unwrap_err();
    let MigrateError::OutOfOrder { file, last } = error else { panic!("{error:?}") };
    assert_eq!((file, last.as_str()), ("0002_b.sql", "0003_c.sql"));
}
