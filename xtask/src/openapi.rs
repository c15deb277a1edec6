//! `docs/openapi.json`, written from the code. A test of `pusher-api` fails when the two differ.

use std::fs;

use crate::root;
use crate::step::{self, Failure, cargo};

pub(crate) fn write() -> Result<(), Failure> {
    let print = ["run", "--quiet", "--package", "pusher-api", "--example", "openapi"];
    let document = step::output("describing the API", cargo().args(print))?;
    let file = root().join("docs/openapi.json");
    fs::write(&file, document)
        .map_err(|error| Failure::new("writing the description", format!("{}: {error}", file.display())))
}
