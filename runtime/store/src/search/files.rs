//! The directory that holds the index, and whether what is in it can be used.
//!
//! The index is derived from the records, so whatever is wrong with it has one remedy: it is removed and built anew.
//! Nothing but files that tantivy makes is removed, in case somebody keeps other things in the directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tantivy::directory::Directory;
use tantivy::directory::error::OpenReadError;
use tantivy::{Index, IndexSettings, TantivyError};

use super::directory::{IndexDirectory, NEW};
use super::fields::{self, Fields};
use crate::open::create_private;

/// Opens a directory for tantivy; another one than [`on_disk`] only in tests of a full disk.
pub(crate) type OpenDirectory = fn(&Path) -> Result<Box<dyn Directory>, TantivyError>;

/// The directory in earnest.
pub(crate) fn on_disk(dir: &Path) -> Result<Box<dyn Directory>, TantivyError> {
    Ok(Box::new(IndexDirectory::open(dir)?))
}

/// What the index says of itself, in each of its commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    /// Of the store that it was made from.
    pub(crate) identity: [u8; 16],
    /// The last change that is in it.
    pub(crate) seq: u64,
}

impl Label {
    pub(crate) fn write(&self) -> String {
        let identity: String = self.identity.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {identity} {}", fields::VERSION, self.seq)
    }

    /// Reads the label of an index of this version and of this store.
    fn read(text: &str, identity: [u8; 16]) -> Option<Self> {
        let seq = text.rsplit(' ').next()?.parse().ok()?;
        let label = Self { identity, seq };
        (label.write() == text).then_some(label)
    }
}

/// Opens the index in `dir`, if it is whole, of this version and of this store; otherwise the sentence that says why
/// not.
pub(crate) fn open(
    dir: &Path,
    fields: &Fields,
    identity: [u8; 16],
    directory: OpenDirectory,
) -> Result<(Index, Label), String> {
    if !dir.join("meta.json").is_file() {
        return Err("there is none".into());
    }
    let unreadable = |error: TantivyError| format!("it cannot be read ({error})");
    let mut index = Index::open(directory(dir).map_err(unreadable)?).map_err(unreadable)?;
    index.set_tokenizers(Fields::tokenizers());
    let meta = index.load_metas().map_err(unreadable)?;
    let label = meta.payload.as_deref().and_then(|text| Label::read(text, identity));
    let Some(label) = label.filter(|_| index.schema() == fields.schema) else {
        return Err("it belongs to another store or another version".into());
    };
    for file in meta.list_segment_files() {
        match index.directory().validate_checksum(&file) {
            Ok(true) => {}
            Ok(false) => return Err(format!("its file {} is damaged", file.display())),
            Err(OpenReadError::FileDoesNotExist(_)) if is_optional(&file) => {}
            Err(error) => return Err(format!("its file {} cannot be read ({error})", file.display())),
        }
    }
    Ok((index, label))
}

/// May a segment be without this file? The one names deleted documents and is there if there are any (which opening the
/// segment finds out); the other is there only while a segment is written.
fn is_optional(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "del" || extension == "temp")
}

/// Makes an empty index in `dir`, whatever was there.
pub(crate) fn create(dir: &Path, fields: &Fields, directory: OpenDirectory) -> Result<Index, TantivyError> {
    clear(dir)?;
    let settings = IndexSettings {
        docstore_compression: tantivy::store::Compressor::None,
        // Nothing is stored in the index, so there is nothing to compress beside it.
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let builder = Index::builder().schema(fields.schema.clone()).settings(settings).tokenizers(Fields::tokenizers());
    builder.open_or_create(directory(dir)?)
}

/// Removes what tantivy made.
fn clear(dir: &Path) -> io::Result<()> {
    // What is in it says as much of recipients as the store does.
    create_private(dir)?;
    let files: Vec<PathBuf> = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    for file in files.iter().filter(|file| is_ours(file)) {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Is this the name of a file that tantivy makes? A segment's files are called by 32 hexadecimal digits.
fn is_ours(file: &Path) -> bool {
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return false };
    let segment = name.split('.').next().unwrap_or_default();
    let is_segment = segment.len() == 32 && segment.bytes().all(|b| b.is_ascii_hexdigit()) && name.len() > 32;
    let name = match name.strip_suffix(NEW) {
        // One that is about to take another's place, with its number.
        Some(name) => name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('.'),
        None => name,
    };
    is_segment || matches!(name, "meta.json" | ".managed.json" | ".tantivy-meta.lock" | ".tantivy-writer.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_by_the_same_version_and_store_only() {
        let label = Label { identity: [7; 16], seq: 42 };
        let text = label.write();
        assert_eq!(Label::read(&text, [7; 16]), Some(label));
        assert_eq!(Label::read(&text, [8; 16]), None);
        for other in ["", "42", &text.replacen('1', "2", 1), &format!("{text} "), &text[..text.len() - 3]] {
            assert_eq!(Label::read(other, [7; 16]), None, "{other:?}");
        }
    }

    #[test]
    fn only_tantivys_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let ours = [
            "meta.json",
            ".managed.json",
            "meta.json.new",
            ".managed.json.17.new",
            "0123456789abcdef0123456789abcdef.term",
            ".tantivy-writer.lock",
        ];
        let theirs =
            ["notes.txt", "meta.json.3", "meta.json.bak", "0123456789abcdef.term", "0123456789abcdef0123456789abcdef"];
        for name in ours.iter().chain(&theirs) {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        clear(dir.path()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        let mut expected = theirs.map(str::to_owned);
        expected.sort();
        assert_eq!(left, expected);
    }
}
