//! The recorded sessions in `tests/golden`, line by line.

use std::path::{Path, PathBuf};

/// One line of a recording that means something.
pub enum Line {
    Frame(Frame),
    /// The server closed this connection; or had it closed, if the peer closed it before.
    ServerClosed(String),
    /// The peer closed this connection.
    PeerClosed(String),
}

pub struct Frame {
    pub conn: String,
    pub to_server: bool,
    pub bytes: Vec<u8>,
    pub remark: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The names of all recordings, in order.
pub fn files() -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".hex").map(str::to_owned))
        .collect();
    files.sort();
    files
}

/// A recording by its name.
pub fn read(file: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(folder().join(file).with_extension("hex")).unwrap();
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Line> {
    if line.starts_with('!') {
        let (what, conn) = line.rsplit_once(' ')?;
        let conn = conn.to_owned();
        return Some(if what.contains("server closed") { Line::ServerClosed(conn) } else { Line::PeerClosed(conn) });
    }
    let (head, rest) = line.split_once(' ')?;
    let (conn, to_server) = match (head.strip_suffix('>'), head.strip_suffix('<')) {
        (Some(conn), _) => (conn, true),
        (_, Some(conn)) => (conn, false),
        _ => return None,
    };
    let (hex, remark) = rest.split_once(' ').unwrap_or((rest, ""));
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes = hex.as_bytes().chunks(2).map(digits).collect();
    Some(Line::Frame(Frame { conn: conn.to_owned(), to_server, bytes, remark: remark.to_owned() }))
}
