//! Pools of the crate `r2d2`.

use r2d2::{ManageConnection, Pool};

use crate::pool::{ConnectionPool, PoolState};

impl<M: ManageConnection> ConnectionPool for Pool<M> {
    fn reader(&self) -> impl Fn() -> Option<PoolState> + Send + Sync + 'static {
        let pool = self.clone();
        move || {
            let state = pool.state();
            let max = pool.max_size();
            Some(PoolState {
                idle: state.idle_connections.into(),
                used: state.connections.saturating_sub(state.idle_connections).into(),
                max: Some(max.into()),
                // If no minimum is set, the pool keeps its maximum number of connections idle.
                idle_min: Some(pool.min_idle().unwrap_or(max).into()),
                ..PoolState::default()
            })
        }
    }
}
