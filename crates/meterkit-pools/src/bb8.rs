//! Pools of the crate `bb8`.

use bb8::{ManageConnection, Pool};

use crate::pool::{ConnectionPool, PoolState};

impl<M: ManageConnection> ConnectionPool for Pool<M> {
    fn reader(&self) -> impl Fn() -> Option<PoolState> + Send + Sync + 'static {
        let pool = self.clone();
        move || {
            let (state, config) = (pool.state(), pool.config());
            let counts = &state.statistics;
            // Do not use `pending_gets`: it overflows if a request ends while the counts are being read.
            let pending = counts.get_started.saturating_sub(counts.completed_gets());
            Some(PoolState {
                idle: state.idle_connections.into(),
                used: state.connections.saturating_sub(state.idle_connections).into(),
                max: Some(config.max_size.into()),
                idle_max: None,
                idle_min: config.min_idle.map(u64::from),
                pending_requests: Some(pending),
                timeouts: Some(counts.get_timed_out),
            })
        }
    }
}
