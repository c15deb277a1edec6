//! `wasi:http/outgoing-handler`, with the `types` it needs: the http capability as language toolchains know it (`fetch` in
//! JavaScript). Requests go through the same [`Gate`], under the same grant, so there is nothing to configure here.
//!
//! A guest can begin a request before it has written the body, have several under way, and keep what it is given; all of it
//! is the host's memory. So a handle is held to [`MAX_FIELDS`] of headers and a small buffer, a send to [`MAX_REQUESTS`]
//! on their way and [`MAX_HELD`] of bodies, and everything ends with the instance: tasks are aborted with the handles that
//! the guest has on them.

mod body;
mod error;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderName, Response as HttpResponse};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{
    Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use super::http::{Admitted, Gate};
use super::log::LogStream;
use crate::state::State;
use crate::transport::{CONTENT_LENGTH, RESERVED, Response};
use body::{Held, Holding};

/// Most requests of one send that are on their way at once; more wait. Each has a connection.
const MAX_REQUESTS: usize = 16;
/// Most bytes of bodies that the host holds for one send: those that requests wait with, and those of responses that the
/// guest has not read.
const MAX_HELD: usize = 8 << 20;
/// Most bytes of one set of headers, of a request or a response; each header counts for 72 bytes more than it has. More
/// than servers take (8 to 32 KiB), and less than the other capability's, since a guest can keep as many sets as handles.
const MAX_FIELDS: usize = 32 << 10;
/// Most bytes that a guest writes into a body at a time, and how many such pieces wait to be taken.
const PIECE: usize = 16 << 10;
const PIECES: usize = 1;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

/// The host's side for one instance.
pub(crate) struct Host {
    ctx: WasiHttpCtx,
    hooks: Hooks,
}

pub(super) fn prepare(gate: &Gate, log: &LogStream) -> Host {
    let mut ctx = WasiHttpCtx::new();
    ctx.set_field_size_limit(MAX_FIELDS);
    Host { ctx, hooks: Hooks { gate: gate.clone(), log: log.clone(), traffic: None } }
}

/// Has the requests of an instance's next message go through that message's gate.
pub(super) fn renew(host: &mut Host, gate: &Gate) {
    host.hooks.gate = gate.clone();
}

impl Host {
    /// Is nothing under way that the guest has begun? What is ends with the send, so with the instance.
    pub(crate) fn is_at_rest(&self) -> bool {
        // Every request under way has its own hold on it.
        self.hooks.traffic.as_ref().is_none_or(|traffic| Arc::strong_count(traffic) == 1)
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Host { ctx, hooks } = &mut self.wasi_http;
        WasiHttpCtxView { hooks, table: &mut self.table, ctx }
    }
}

struct Hooks {
    gate: Gate,
    log: LogStream,
    /// `None` until the first request: most senders make none in this way.
    traffic: Option<Arc<Traffic>>,
}

/// What one instance has under way, which is held by each request as long as that is.
#[derive(Debug)]
struct Traffic {
    /// A permit for each request on its way.
    places: Semaphore,
    held: Arc<Holding>,
}

type Task = Result<(HttpResponse<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    // It is in the URL already, and the transport's to set.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        PIECES
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }

    fn send_request(
        &mut self,
        request: ::http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Task> + Send> {
        let (mut parts, body) = request.into_parts();
        // That the body is as long as it says has been checked; the transport says it again.
        parts.headers.remove(CONTENT_LENGTH);
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers: Vec<_> = headers.collect();
        // Here and not in the task, so that a refusal costs the guest its own time and is counted in any case.
        let admitted = match self.gate.admit(parts.method.as_str(), &parts.uri.to_string(), headers.into_iter()) {
            Ok(admitted) => admitted,
            Err(problem) => {
                self.log.beside("host").line(&format!("wasi:http: {problem}"));
                let end = self.gate.end();
                return Box::new(async move {
                    // Whether or not it ends in time, the answer is the same.
                    let _ = timeout_at(end, body::discard(body)).await;
                    Err(error::code(problem))
                });
            }
        };
        let traffic = Arc::clone(self.traffic.get_or_insert_with(|| {
            Arc::new(Traffic { places: Semaphore::new(MAX_REQUESTS), held: Holding::up_to(MAX_HELD) })
        }));
        let gate = self.gate.clone();
        Box::new(async move {
            let exchange = exchange(&gate, &traffic, admitted, body, options.and_then(patience));
            let response = timeout_at(gate.end(), exchange).await.unwrap_or(Err(Error::HttpResponseTimeout))?;
            Ok((response, Box::new(ready(Ok(()))) as _))
        })
    }
}

/// All that is the transport's to set, but for the length, which guests declare and the host checks.
fn is_forbidden(name: &HeaderName) -> bool {
    *name != CONTENT_LENGTH && RESERVED.contains(name)
}

/// How long the whole exchange may take, if the guest says how long it waits for the answer to begin: an answer is small
/// enough to come in one go.
fn patience(options: RequestOptions) -> Option<Duration> {
    let RequestOptions { connect_timeout, first_byte_timeout, between_bytes_timeout } = options;
    let others = [connect_timeout, between_bytes_timeout].map(Option::unwrap_or_default);
    Some(others.into_iter().fold(first_byte_timeout?, Duration::saturating_add))
}

/// Takes the body, waits for a place, and makes the exchange.
async fn exchange(
    gate: &Gate,
    traffic: &Traffic,
    mut admitted: Admitted,
    mut body: WasiBody,
    timeout: Option<Duration>,
) -> Result<HttpResponse<WasiBody>, Error> {
    let mut held = traffic.held.none();
    match body::collect(&mut body, &mut held).await {
        Ok(body) => admitted.set_body(body).map_err(error::code)?,
        Err(error) => {
            drop(held);
            body::discard(body).await;
            return Err(error);
        }
    }
    let place = traffic.places.acquire().await.map_err(|closed| Error::InternalError(Some(closed.to_string())))?;
    let response = gate.carry(admitted, timeout).await.map_err(error::code)?;
    drop((place, held));
    to_guest(response, traffic.held.none())
}

fn to_guest(response: Response, mut held: Held) -> Result<HttpResponse<WasiBody>, Error> {
    let Response { status, headers, body } = response;
    let counted =
        headers.iter().map(|(name, value)| name.as_str().len() + size_of_val(name) + value.len() + size_of_val(value));
    if counted.sum::<usize>() > MAX_FIELDS {
        return Err(Error::HttpResponseHeaderSectionSize(Some(MAX_FIELDS as u32)));
    }
    if !held.take(body.len()) {
        return Err(Error::HttpResponseBodySize(None));
    }
    let mut response = HttpResponse::new(held.body(body).boxed_unsync());
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}
