//! Directories of senders for tests: shipped and test components, each with a manifest that points at a stand-in.

use std::io;
use std::path::Path;

use crate::build;

/// Puts `sendmail` into `dir`, sending to the provider at `url` with `key`.
///
/// # Errors
/// If the files cannot be written.
pub fn sendmail(dir: &Path, url: &str, key: &str) -> io::Result<()> {
    let manifest = format!(
        "component = \"sendmail.wasm\"\n\
         [http]\nallow = [\"{url}\"]\nprivate = true\n\
         [pushers]\nread = true\n\
         [config]\nbase = \"{url}\"\nfrom = \"noreply@example.com\"\nfrom_name = \"pusher\"\n\
         [secrets]\napi_key = {{ file = \"sendmail.key\" }}\n"
    );
    write(dir, "sendmail", "sendmail.wasm", &manifest)?;
    std::fs::write(dir.join("sendmail.key"), key)
}

/// Puts `sample` into `dir`, as it is shipped.
///
/// # Errors
/// If the files cannot be written.
pub fn sample(dir: &Path) -> io::Result<()> {
    let manifest = std::fs::read_to_string(build::root().join("senders-wasm/sample/sample.toml"))?;
    write(dir, "sample", "sample.wasm", &manifest)
}

/// Puts the component `component` into `dir` as the sender `name` with `manifest`.
///
/// # Errors
/// If the files cannot be written.
pub fn write(dir: &Path, name: &str, component: &str, manifest: &str) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    std::fs::copy(build::components().join(component), dir.join(component))?;
    std::fs::write(dir.join(format!("{name}.toml")), manifest)
}

/// `pushall` as it is shipped.
///
/// # Errors
/// If its manifest cannot be read, or the directory cannot be written.
pub fn pushall(dir: &Path) -> io::Result<()> {
    let manifest = std::fs::read_to_string(build::root().join("senders-wasm/pushall/pushall.toml"))?;
    write(dir, "pushall", "pushall.wasm", &manifest)
}
