//! `docs/manifest.md` and `docs/manifest.schema.json`, written from the code. A test of `pusher-sandbox` fails when they
//! differ.

use std::fs;

use crate::step::{self, Failure, cargo};
use crate::{root, target};

pub(crate) fn write() -> Result<(), Failure> {
    // With the whole workspace: for one package alone the component host would be built once more, with other features.
    let build = ["build", "--quiet", "--workspace", "--example", "manifest"];
    step::run("building the reference", cargo().args(build))?;
    for (what, file) in [("page", "docs/manifest.md"), ("schema", "docs/manifest.schema.json")] {
        let print = target().join("debug/examples/manifest");
        let text = step::output("describing manifests", step::command(print).arg(what))?;
        let file = root().join(file);
        fs::write(&file, text)
            .map_err(|error| Failure::new("writing the reference", format!("{}: {error}", file.display())))?;
    }
    Ok(())
}
