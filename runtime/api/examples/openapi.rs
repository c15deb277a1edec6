//! Prints the OpenAPI document, as `docs/openapi.json` holds it; `cargo xtask openapi` writes it there.

fn main() -> Result<(), serde_json::Error> {
    println!("{}", pusher_api::openapi().to_pretty_json()?);
    Ok(())
}
