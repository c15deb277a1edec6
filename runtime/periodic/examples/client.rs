//! A client that has a job run, listens to its worker meanwhile, and prints the result; then submits one for later.
//!
//! ```sh
//! cargo run -p periodic --example client -- unix:///tmp/periodic.sock shout 'hello there'
//! ```

use std::sync::Arc;

use bytes::Bytes;
use periodic::{Client, ClientOptions, Clock, Endpoint, Job, JobKey, RunError, SystemClock};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let endpoint: Endpoint = words.next().ok_or("give the server's address, as tcp://localhost:5000")?.parse()?;
    let func = Bytes::from(words.next().ok_or("give the func")?);
    let workload = Bytes::from(words.next().unwrap_or_default());

    let client = Client::new(Arc::new(endpoint), ClientOptions::default());
    let key = JobKey { func: func.clone(), name: Bytes::from_static(b"now") };
    let job = Job { key, workload, sched_at: 0, count: 0, timeout: 10 };
    // First, so that nothing is missed.
    match client.recv_data(job.key.clone(), job.timeout).await {
        Ok(mut chunks) => {
            let listening = tokio::spawn(async move {
                while let Some(chunk) = chunks.next().await {
                    println!("meanwhile: {}", String::from_utf8_lossy(&chunk?));
                }
                Ok::<_, periodic::ClientError>(())
            });
            let result = client.run_job(job.clone()).await?;
            listening.await??;
            println!("result: {}", String::from_utf8_lossy(&result));
        }
        Err(RunError::NoWorker) => println!("no worker is there; the job for later waits for one"),
        Err(error) => return Err(error.into()),
    }

    let key = JobKey { func: func.clone(), name: Bytes::from_static(b"later") };
    client.submit(Job { key, sched_at: SystemClock.now() + 60, timeout: 0, ..job }).await?;
    for status in client.status().await?.into_iter().filter(|status| status.func == func) {
        println!("{} jobs, {} workers, the next at {}", status.jobs, status.workers, status.sched_at);
    }
    client.close().await;
    Ok(())
}
