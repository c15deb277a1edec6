//! The host's side of `wit/`, generated.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "sender-component",
    imports: { default: async },
    exports: { default: async },
});

pub(crate) use exports::pusher::sender::sender::{Failure, Message, Outcome};
pub(crate) use pusher::sender::{config, http, pushers};
