//! A pool of `bb8` whose connections are numbers.

use std::convert::Infallible;
use std::time::Duration;

use bb8::{ManageConnection, Pool, RunError};
use meterkit_pools::observe_in;

use crate::seen::{pools, registry, wait_for};

struct Numbers;

impl ManageConnection for Numbers {
    type Connection = u32;
    type Error = Infallible;

    async fn connect(&self) -> Result<u32, Infallible> {
        Ok(7)
    }

    async fn is_valid(&self, _: &mut u32) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u32) -> bool {
        false
    }
}

fn state(idle: u32, used: u32, pending: u32, timeouts: u32) -> [String; 6] {
    [
        format!("count{{pool.name=main,state=idle}} {idle}"),
        format!("count{{pool.name=main,state=used}} {used}"),
        "max{pool.name=main} 2".to_owned(),
        "idle.min{pool.name=main} 1".to_owned(),
        format!("pending_requests{{pool.name=main}} {pending}"),
        format!("timeouts{{pool.name=main}} {timeouts}"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_waiting_requests_and_timeouts_are_counted() {
    let registry = registry();
    let timeout = Duration::from_millis(50);
    let builder = Pool::builder().max_size(2).min_idle(1).connection_timeout(timeout);
    let pool = builder.build(Numbers).await.unwrap();
    let _observed = observe_in(&registry, &pool, "main").unwrap();
    assert_eq!(pools(&registry), state(1, 0, 0, 0));
    let first = pool.get().await.unwrap();
    let second = pool.get().await.unwrap();
    assert_eq!(pools(&registry), state(0, 2, 0, 0));

    let missed = pool.get().await.map(drop);
    assert!(matches!(missed, Err(RunError::TimedOut)), "{missed:?}");
    assert_eq!(pools(&registry), state(0, 2, 0, 1));
    drop((first, second));
    wait_for(&registry, &state(2, 0, 0, 1).each_ref().map(|line| &**line));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_is_pending() {
    let registry = registry();
    let pool = Pool::builder().max_size(2).min_idle(1).build(Numbers).await.unwrap();
    let _observed = observe_in(&registry, &pool, "main").unwrap();
    let held = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    wait_for(&registry, &state(0, 2, 1, 0).each_ref().map(|line| &**line));
    drop(held);
    waiting.await.unwrap().unwrap();
    wait_for(&registry, &state(2, 0, 0, 0).each_ref().map(|line| &**line));
}
