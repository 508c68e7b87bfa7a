//! Disabled scopes that there are none of: a spelling mistake, perhaps.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use meterkit_core::Registry;
use meterkit_pipeline::{Source, Stop};

/// Scopes come when the program's parts do: after this time, or at the end of a shorter life, they are here.
const PATIENCE: Duration = Duration::from_secs(60);

type Watching = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Logs once which patterns of disabled scopes have matched no scope. Runs beside the targets.
pub(crate) fn watch(registry: Registry) -> impl FnOnce(Source, Stop) -> Watching + Send {
    move |_, mut stop| {
        Box::pin(async move {
            stop.requested_within(PATIENCE).await;
            for scopes in registry.unmatched_disabled_scopes() {
                tracing::warn!(
                    scopes,
                    "disabled, but there is no such scope: it may be misspelled, in `METERKIT_DISABLED_SCOPES` \
                     or in the program"
                );
            }
        })
    }
}
