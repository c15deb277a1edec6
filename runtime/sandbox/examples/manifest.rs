//! Prints the reference of manifests, as `docs/` holds it: `schema` for the JSON Schema, `page` for the page. `cargo xtask
//! manifest` writes both there.

use pusher_sandbox::manifest;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("schema") => println!("{}", serde_json::to_string_pretty(&manifest::schema())?),
        Some("page") => print!("{}", manifest::reference()),
        _ => return Err("say `schema` or `page`".into()),
    }
    Ok(())
}
