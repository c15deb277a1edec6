//! `cargo xtask provider [ADDRESS] [KEY]`: the stand-in for the mail provider in the foreground, printing each mail that
//! it takes, for following the README's tour without an account anywhere.

use std::process::ExitCode;

use pusher_tests::provider::Provider;

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:6061".into());
    let key = args.next().unwrap_or_else(|| "demo-key".into());
    let provider = match Provider::start(&address, &key).await {
        Ok(provider) => provider,
        Err(error) => {
            eprintln!("provider: cannot listen on {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("taking mail at {}/v3/mail/send with the key {key:?}; Ctrl-C ends it", provider.url());
    let mut shown = 0;
    loop {
        let mails = tokio::select! {
            mails = provider.wait_for(shown + 1) => mails,
            _ = tokio::signal::ctrl_c() => return ExitCode::SUCCESS,
        };
        for mail in &mails[shown..] {
            println!("\n{mail}");
        }
        shown = mails.len();
    }
}
