//! The one trait an author implements, and the macro that makes its type the component's export.

use crate::{Failure, Message, Outcome};

/// Delivers messages.
pub trait Sender {
    /// Delivers one message.
    ///
    /// A message can come more than once: a crash between the delivery and its record repeats it. `message.id` stays
    /// the same, for providers that recognise repetitions.
    ///
    /// # Errors
    /// [`Failure`]: what becomes of the message is decided by its kind.
    fn send(message: Message) -> Result<Outcome, Failure>;
}

/// Makes a type that implements [`Sender`] the sender of this component: `export!(MyType as "channel")`.
///
/// The name counts only where the component is used without a manifest.
#[macro_export]
macro_rules! export {
    ($sender:ty as $name:literal) => {
        #[doc(hidden)]
        struct PusherComponent;

        impl $crate::bindings::exports::pusher::sender::sender::Guest for PusherComponent {
            fn name() -> ::std::string::String {
                $name.into()
            }

            fn send(
                message: $crate::Message,
            ) -> ::core::result::Result<$crate::Outcome, $crate::bindings::pusher::sender::types::Failure> {
                <$sender as $crate::Sender>::send(message).map_err(::core::convert::Into::into)
            }
        }

        $crate::bindings::export_component!(PusherComponent with_types_in $crate::bindings);
    };
}
