//! `cargo xtask demo`: one message from a request to the mail provider, through real processes, shown step by step.
//! The provider is a stand-in on this machine; everything else is what runs in production.

use std::process::ExitCode;
use std::time::Duration;

use pusher_tests::build;
use pusher_tests::process::Pusher;
use pusher_tests::provider::Provider;
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use tokio::time::timeout;

const KEY: &str = "demo-key";

#[tokio::main]
async fn main() -> ExitCode {
    match demo().await {
        Ok(()) => ExitCode::SUCCESS,
        Err((step, reason)) => {
            eprintln!("demo: {step} failed: {reason}");
            ExitCode::FAILURE
        }
    }
}

type Failed = (&'static str, String);

async fn demo() -> Result<(), Failed> {
    let dir = step("making a directory", tempfile::tempdir())?;
    let senders_dir = dir.path().join("senders");
    let provider = step("starting the provider's stand-in", Provider::start("127.0.0.1:0", KEY).await)?;
    step("writing the sender's manifest", senders::sendmail(&senders_dir, &provider.url(), KEY))?;
    build::pusher();

    println!("# the provider's stand-in takes mail at {}", provider.url());
    println!("$ pusher serve");
    let server = step("starting pusher serve", Pusher::try_serve(&dir.path().join("data"), &[]).await)?;
    println!("  the API is at {}, Periodic at {}\n", server.api, server.periodic);
    println!("$ pusher worker --senders senders/");
    let worker = step("starting pusher worker", Pusher::try_worker(&server, &senders_dir).await)?;
    println!("  it runs sendmail.wasm in a sandbox\n");

    let rest = Rest::new(&server.api);
    let recipient = [
        ("pusher", "lupino"),
        ("email", "example@example.com"),
        ("phoneNumber", "12345678901"),
        ("nickname", "Lupino"),
        ("createdAt", "1456403493"),
    ];
    request(&rest, "creating a pusher", "/pusher/pushers/", &recipient).await?;
    request(&rest, "adding a sender", "/pusher/sendmail/add", &[("pusher", "lupino")]).await?;
    let data = r#"{"subject": "Welcome", "text": "Hello {{.NickName}}, this is pusher."}"#;
    request(&rest, "pushing a message", "/pusher/sendmail/push", &[("pusher", "lupino"), ("data", data)]).await?;

    let mails = timeout(Duration::from_secs(20), provider.wait_for(1)).await;
    let mails = step("waiting for the mail", mails.map_err(|_| "the provider got no mail within 20 s"))?;
    println!("# the mail, as the provider took it");
    for mail in &mails {
        println!("{mail}\n");
    }
    for (process, name) in [(worker, "stopping pusher worker"), (server, "stopping pusher serve")] {
        let status = step(name, process.try_stop().await)?;
        if !status.success() {
            return Err((name, format!("it ended with {status}")));
        }
    }
    println!("# everything has stopped. To start it for real, with your own key:");
    println!("SENDGRID_KEY=... SENDGRID_FROM=you@example.com cargo xtask up");
    Ok(())
}

/// Sends a request, shows it as a curl line and its reply, and wants a 200.
async fn request(rest: &Rest, name: &'static str, target: &str, form: &[(&str, &str)]) -> Result<(), Failed> {
    print!("$ curl localhost:6000{target}");
    for (key, value) in form {
        if value.contains([' ', '"']) {
            print!(" -d {key}='{value}'");
        } else {
            print!(" -d {key}={value}");
        }
    }
    let reply = step(name, rest.try_post(target, form).await)?;
    println!("\n  {} {}\n", reply.status, reply.body);
    if reply.status == 200 { Ok(()) } else { Err((name, format!("answered {}: {}", reply.status, reply.body))) }
}

fn step<T, E: std::fmt::Display>(name: &'static str, result: Result<T, E>) -> Result<T, Failed> {
    result.map_err(|error| (name, error.to_string()))
}
